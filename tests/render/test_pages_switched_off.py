"""An address that is configured as empty means: no such page, and nothing that leads to one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from velobuild.config.load import load
from velobuild.content.database import open_database
from velobuild.content.store import Store
from velobuild.errors import Diagnostic
from velobuild.model.entries import BodyFormat, Collection, Delta, Post
from velobuild.pipeline import BuildOptions, build

AT = datetime(2026, 5, 3, 10, tzinfo=UTC)
OFF = '[urls]\narchive = ""\nyear = ""\n[taxonomies.tags]\nindex = ""\n'


def built(folder: Path, more: str) -> tuple[set[str], str]:
    """(files, all HTML and the sitemap in one text) of a site with one post."""
    folder.mkdir()
    (folder / "velobuild.toml").write_text(f'[source]\nurl = "https://cms.example"\n{more}', "utf-8")
    warnings: list[Diagnostic] = []
    store = Store(open_database(folder / ".velobuild", warn=warnings.append))
    post = Post("a", "tea", "Tea", "<p>Tea.</p>", BodyFormat.HTML, "published", AT, published_at=AT, tags=("leaf",))
    store.apply([Delta(Collection.POSTS, (post,), {"a": "1"}, complete=True)])
    store.connection.close()
    loaded = load(folder / "velobuild.toml", directory=folder, environment={})
    build(loaded, BuildOptions(offline=True), cache=None, warn=warnings.append)
    assert warnings == []
    out = loaded.out
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    return files, "".join((out / name).read_text("utf-8") for name in sorted(files) if name.endswith(("html", "xml")))


@pytest.mark.parametrize("words", [["archive/index.html", "archive/2026/index.html", "tags/index.html"]])
def test_pages_with_an_empty_address_are_neither_made_nor_linked(tmp_path: Path, words: list[str]) -> None:
    files, text = built(tmp_path / "off", OFF)
    assert not files & set(words)
    assert "/archive/" not in text
    assert 'href="/tags/"' not in text
    assert 'href=""' not in text
    assert "<loc>http://localhost:8000</loc>" not in text
    assert "tags/leaf/index.html" in files

    files, text = built(tmp_path / "on", "")
    assert files >= set(words)
    assert 'href="/archive/"' in text
    assert 'href="/tags/"' in text


def test_an_archive_without_years_pages_shows_all_posts_and_links_no_year(tmp_path: Path) -> None:
    files, text = built(tmp_path / "site", '[urls]\nyear = ""\n')
    assert "archive/index.html" in files
    assert "archive/2026/index.html" not in files
    assert "<h2>2026 " in text
