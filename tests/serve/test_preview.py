"""`velobuild serve` shows what was built as a host would, to this machine alone."""

from __future__ import annotations

import errno
import http.client
import mimetypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.command_line import velobuild
from tests.judges.served import serving
from velobuild.errors import OutputError
from velobuild.serve.preview import application, bound

CONFIG = '[source]\nurl = "http://127.0.0.1:9"\n'
PICTURE = bytes(range(250)) * 4


def release(root: Path, number: int) -> Path:
    """A small release, and the output link on it."""
    folder = root / f".velobuild/releases/{number}"
    (folder / "soup").mkdir(parents=True)
    (folder / "index.html").write_text(f"<h1>release {number}</h1>")
    (folder / "soup/index.html").write_text("<h1>Süppchen</h1>", "utf-8")
    (folder / "404.html").write_text("<h1>lost</h1>")
    (folder / "feed.xml").write_text("<rss/>")
    (folder / "style.css").write_text("a{}")
    for name in ("pot.webp", "pot.avif", "letters.woff2"):
        (folder / name).write_bytes(PICTURE)
    point(root, number)
    return folder


def point(root: Path, number: int) -> None:
    (root / "next").symlink_to(f".velobuild/releases/{number}")
    os.replace(root / "next", root / "public")


def site(root: Path, base_url: str = "") -> Path:
    release(root, 1)
    (root / "velobuild.toml").write_text(f'[site]\nbase_url = "{base_url}"\n{CONFIG}' if base_url else CONFIG)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(tmp_path_factory.mktemp("preview"))


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with serving(root) as (address, _):
        yield address


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """(status, headers in lower case, body); redirects are not followed, and the path is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(url).hostname or "", urlsplit(url).port, timeout=20)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_a_folder_shows_its_index_and_an_address_without_its_slash_is_led_there(url: str) -> None:
    status, headers, body = ask(url, "/soup/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert body.decode() == "<h1>Süppchen</h1>"
    status, headers, _ = ask(url, "/soup")
    assert (status, urlsplit(headers["location"]).path) == (307, "/soup/")


@pytest.mark.parametrize("path", ["/no/such/page/", "/no.html", "/soup/index.htm", "/%ff"])
def test_an_unknown_address_shows_the_sites_own_page_with_status_404(url: str, path: str) -> None:
    status, headers, body = ask(url, path)
    assert (status, body) == (404, b"<h1>lost</h1>")
    assert headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/../velobuild.toml", "/%2e%2e/velobuild.toml", "/soup/..%2f..%2fvelobuild.toml", "//etc/passwd", "/%00"]
)
def test_nothing_outside_the_site_is_served(url: str, root: Path, path: str) -> None:
    assert (root / "velobuild.toml").is_file()
    status, _, body = ask(url, path)
    assert status == 404
    assert b"source" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/feed.xml", "application/xml"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/pot.webp", "image/webp"),
        ("/pot.avif", "image/avif"),
        ("/letters.woff2", "font/woff2"),
    ],
)
def test_files_say_what_they_are(url: str, path: str, kind: str) -> None:
    assert ask(url, path)[1]["content-type"] == kind


def test_types_are_known_where_the_machine_has_no_table_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = mimetypes.MimeTypes()
    bare.types_map = ({}, {})
    monkeypatch.setattr(mimetypes, "_db", bare)
    assert mimetypes.guess_type("pot.avif")[0] is None  # the control
    application(root / "public")
    assert mimetypes.guess_type("pot.avif")[0] == "image/avif"


def test_a_part_of_a_file_can_be_asked_for(url: str) -> None:
    status, headers, body = ask(url, "/pot.webp", Range="bytes=10-19")
    assert (status, headers["content-range"], body) == (206, "bytes 10-19/1000", PICTURE[10:20])
    assert ask(url, "/pot.webp", Range="bytes=5000-")[0] == 416


def test_what_a_browser_has_is_not_sent_again_but_it_must_ask(url: str) -> None:
    _, headers, _ = ask(url, "/soup/")
    assert headers["cache-control"] == "no-cache"
    assert ask(url, "/soup/", If_None_Match=headers["etag"])[::2] == (304, b"")
    assert ask(url, "/soup/", If_None_Match='"other"')[0] == 200


def test_nothing_can_be_written(url: str) -> None:
    assert [ask(url, "/soup/", method)[0] for method in ("POST", "PUT", "DELETE")] == [405, 405, 405]
    assert ask(url, "/soup/", "HEAD")[::2] == (200, b"")


def test_neither_serving_nor_going_back_needs_the_cms(tmp_path: Path) -> None:
    (site(tmp_path) / "velobuild.toml").write_text('[source]\ntype = "velocms"\n')
    with serving(tmp_path) as (url, _):
        assert ask(url, "/")[0] == 200
    assert velobuild("releases", directory=tmp_path).code == 0
    ended = velobuild("build", directory=tmp_path)  # the control: what does need it still says so
    assert (ended.code, ended.err.startswith("error[VB1105]: the CMS's address is missing")) == (2, True)


def test_a_swapped_release_is_seen_at_once(tmp_path: Path) -> None:
    with serving(site(tmp_path)) as (url, _):
        assert ask(url, "/")[2] == b"<h1>release 1</h1>"
        release(tmp_path, 2)
        assert ask(url, "/")[2] == b"<h1>release 2</h1>"
        point(tmp_path, 1)
        assert ask(url, "/")[2] == b"<h1>release 1</h1>"


def test_a_site_that_lives_in_a_folder_is_served_below_it(tmp_path: Path) -> None:
    with serving(site(tmp_path, "https://example.org/blog")) as (url, _):
        assert urlsplit(url).path == "/blog"
        origin = url.removesuffix("/blog")
        assert ask(origin, "/blog/soup/")[0] == 200
        assert ask(origin, "/soup/")[0] == 404
        assert ask(origin, "/blog/nowhere/")[::2] == (404, b"<h1>lost</h1>")
        assert ask(origin, "/")[1]["location"] == "/blog/"


def listens(host: str, port: int) -> bool:
    with socket.socket() as asker:
        return asker.connect_ex((host, port)) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of this machine")
def test_it_listens_on_the_loopback_address_alone_unless_told_otherwise(url: str) -> None:
    port = urlsplit(url).port or 0
    assert listens("127.0.0.1", port)
    assert not listens("127.0.0.2", port)
    with bound("0.0.0.0", None) as everywhere:  # the control: elsewhere would be seen
        assert listens("127.0.0.2", everywhere.getsockname()[1])


def failed(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "velobuild", "-C", str(root), "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(url: str, root: Path) -> None:
    port = urlsplit(url).port
    ended = failed(root, "--port", str(port))
    assert ended.returncode == 6
    assert ended.stderr == (
        f"error[VB6006]: cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}\n"
        "help: choose another port with --port; without one a free port is found\n"
    )
    assert ended.stdout == ""


def test_without_a_port_the_next_free_one_is_taken_even_before_anybody_was_served() -> None:
    with bound("127.0.0.1", None) as first, bound("127.0.0.1", None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


@pytest.mark.parametrize("host", ["192.0.2.1", "nonsense.invalid"])
def test_an_address_that_is_not_this_machines_is_refused_at_once(host: str) -> None:
    with pytest.raises(OutputError, match=f"cannot listen on the address {host}") as refused:
        bound(host, None)
    assert refused.value.code == "VB6006"


def test_a_site_that_was_never_built_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "velobuild.toml").write_text(CONFIG)
    ended = failed(tmp_path)
    assert ended.returncode == 2
    assert "run `velobuild build` first" in ended.stderr


def test_ctrl_c_ends_it_without_a_traceback_and_frees_the_port(tmp_path: Path) -> None:
    with serving(site(tmp_path)) as (url, process):
        assert ask(url, "/")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stdout is not None
        assert process.stdout.read() == "interrupted\n"
        assert not listens("127.0.0.1", urlsplit(url).port or 0)
