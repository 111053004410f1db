"""Files of several sources: each address goes to whom it belongs to, and a folder's never over the network."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from velobuild.config.schema import Config, LimitsConfig, SiteConfig, SourceConfig
from velobuild.errors import GuardRefused, ProtocolError, SourceUnavailable
from velobuild.graph.site import Site
from velobuild.http.downloaded import Downloaded, NotModified, Validators
from velobuild.media.places import Places
from velobuild.media.uses import in_folder

NOW = datetime(2100, 1, 1, tzinfo=UTC)
A, B = "https://a.example", "https://b.example"
NOTES = "https://notes.folder.invalid"


def places(root: Path, *records: str, now: datetime = NOW, media_bytes: int = 1000) -> Places:
    config = Config(
        site=SiteConfig(base_url="https://site.example"),
        source=SourceConfig(url=A, media_hosts=("cdn.example",)),
        more_sources=(
            SourceConfig(name="b", url=B),
            SourceConfig(name="notes", type="folder", path="notes", media_hosts=("pictures.example",)),
        ),
        limits=LimitsConfig(media_bytes=media_bytes),
    )
    site = Site(root, root / ".velobuild", config, now)
    return Places.of(site, records, clock=lambda: now)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notes"
    made.mkdir()
    return made


def copied(of: Places, url: str, into: Path, known: Validators | None = None) -> Downloaded | NotModified:
    downloads = of.open(Event())
    try:
        return downloads.download(url, into, known=known)
    finally:
        downloads.close()


def test_an_address_belongs_to_the_source_whose_host_it_is(tmp_path: Path) -> None:
    # B's host is among A's records too, where it would have to be a public one.
    found = places(tmp_path, f"{B}/files/x.png")
    assert found.place_of(f"{A}/x.png").policy.api.host == "a.example"
    assert found.place_of(f"{B}/files/x.png").policy.api.host == "b.example"
    assert found.place_of(f"{NOTES}/x.png").folder == tmp_path / "notes"
    assert found.place_of("https://cdn.example/x.png").folder is None
    assert found.place_of("https://pictures.example/x.png").folder is None


def test_what_no_source_allows_is_refused(tmp_path: Path) -> None:
    found = places(tmp_path)
    for url in ("https://evil.example/x.png", "https://other.folder.invalid/x.png", "file:///etc/passwd", "/x.png"):
        assert not found.allows(url)
    with pytest.raises(GuardRefused, match="not fetched from"):
        found.permit("https://evil.example/x.png")


def test_a_folders_posts_bring_no_host_of_their_own(tmp_path: Path) -> None:
    config = Config(source=SourceConfig(type="folder"))
    site = Site(tmp_path, tmp_path, config, NOW)
    assert not Places.of(site, ["https://evil.example/x.png"]).allows("https://evil.example/x.png")


def test_a_file_of_a_folder_is_copied_once_and_again_when_it_changed(tmp_path: Path, folder: Path) -> None:
    file = folder / "a b.png"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    into = tmp_path / "in" / "part"
    first = copied(places(tmp_path), f"{NOTES}/a%20b.png", into)
    assert isinstance(first, Downloaded)
    assert into.read_bytes() == b"one"
    assert isinstance(copied(places(tmp_path), f"{NOTES}/a%20b.png", into, first.validators), NotModified)
    file.write_bytes(b"two")
    os.utime(file, (2, 2))
    assert isinstance(copied(places(tmp_path), f"{NOTES}/a%20b.png", into, first.validators), Downloaded)
    assert into.read_bytes() == b"two"


def test_a_young_file_has_no_stamp_that_could_be_believed(tmp_path: Path, folder: Path) -> None:
    file = folder / "a.png"
    file.write_bytes(b"one")
    young = datetime.fromtimestamp(file.stat().st_mtime + 1, UTC)
    got = copied(places(tmp_path, now=young), f"{NOTES}/a.png", tmp_path / "part")
    assert isinstance(got, Downloaded)
    assert got.validators == Validators()
    again = copied(places(tmp_path, now=young), f"{NOTES}/a.png", tmp_path / "part", Validators())
    assert isinstance(again, Downloaded)


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        ("gone.png", SourceUnavailable, "VB4001"),
        ("large.png", ProtocolError, "VB4004"),
        ("sub", ProtocolError, "VB4003"),
        ("pipe", ProtocolError, "VB4003"),
        (".hidden.png", GuardRefused, "VB4002"),
        ("%2e%2e/secret", GuardRefused, "VB4002"),
        ("sub/%2e%2e/%2e%2e/secret", GuardRefused, "VB4002"),
        ("..%2fsecret", GuardRefused, "VB4002"),
        ("a%00b", GuardRefused, "VB4002"),
        ("link", GuardRefused, "VB4002"),
        ("sub/up/secret", GuardRefused, "VB4002"),
        ("", GuardRefused, "VB4002"),
    ],
)
def test_nothing_is_taken_from_outside_nor_what_is_no_file(
    tmp_path: Path, folder: Path, path: str, kind: type[Exception], code: str
) -> None:
    (tmp_path / "secret").write_text("SECRET", "utf-8")
    (folder / "large.png").write_bytes(b"x" * 1001)
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(tmp_path)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / ".hidden.png").write_bytes(b"x")
    os.mkfifo(folder / "pipe")
    into = tmp_path / "part"
    with pytest.raises(kind) as caught:
        copied(places(tmp_path), f"{NOTES}/{path}", into)
    assert getattr(caught.value, "code", None) == code
    assert not into.exists() or b"SECRET" not in into.read_bytes()


def test_only_a_folders_addresses_are_local() -> None:
    assert in_folder(f"{NOTES}/x.png")
    assert not in_folder("https://folder.invalid.example/x.png")
    assert not in_folder("https://evil.example/notes.folder.invalid/x.png")
