"""What `velobuild explain` asks: which output is meant, and the account of it, from the database alone."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from velobuild.config.schema import Loaded
from velobuild.content.assets import AssetTable
from velobuild.content.database import Connection, opened_for_reading
from velobuild.errors import ConfigError
from velobuild.graph.account import BuildAccount, explain_last
from velobuild.graph.builds import removal_of
from velobuild.graph.chains import gone_words
from velobuild.graph.explain import Explanation, Names, explain
from velobuild.graph.trace import Trace
from velobuild.graph.widest import Widest, widest
from velobuild.pipeline.opening import publisher_of

NAMED = 5
WITHOUT_PAGE = (
    "SELECT title, status, sort_at FROM post LEFT JOIN permalink ON post_id = id "
    "WHERE post.slug = ? AND post_id IS NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A published file that no template renders: where it comes from, and which pages show it (`more` in all)."""

    path: str
    source: str
    shown_by: tuple[str, ...]
    more: int = 0


def explain_page(loaded: Loaded, name: str, *, directory: Path) -> Explanation | CopiedFile:
    """The account of an output: its path on the site, its URL, or its file. Raises ConfigError VB1107, OutputError."""
    with _trace_of(loaded) as connection:
        trace = Trace(connection)
        wanted = candidates(loaded, name, directory=directory)
        for path in wanted:
            output = trace.at(path)
            if output is not None:
                return explain(connection, output)
        return _copied(loaded, connection, wanted) or _unknown(connection, trace, name, wanted)


def explain_all(loaded: Loaded) -> BuildAccount | None:
    """What the last build rendered, by cause. Raises ConfigError VB1107, OutputError."""
    with _trace_of(loaded) as connection:
        return explain_last(connection)


def explain_widest(loaded: Loaded, *, limit: int) -> Widest:
    """What most pages read, and which pages read most. Raises ConfigError VB1107, OutputError."""
    with _trace_of(loaded) as connection:
        return widest(connection, limit=limit)


def candidates(loaded: Loaded, name: str, *, directory: Path) -> list[str]:
    """The paths of outputs that a person may mean by a name, the likeliest first."""
    file = Path(os.path.normpath(directory / name))
    out = Path(os.path.normpath(loaded.out))
    found: list[str] = []
    for place in (out, out.resolve()):
        if file.is_relative_to(place) and file != place:
            found.append(file.relative_to(place).as_posix())
    base = urlsplit(loaded.config.site.base_url)
    parts = urlsplit(name)
    typed = parts.path if parts.scheme and parts.netloc else name.partition("?")[0].partition("#")[0]
    path = unicodedata.normalize("NFC", unquote(typed))
    prefix = unquote(base.path).rstrip("/")
    for way in dict.fromkeys((path.removeprefix(prefix) if f"{path}/".startswith(f"{prefix}/") else path, path)):
        found.append(way.strip("/"))
    ways = [way for path in found for way in (path, f"{path}/index.html".lstrip("/"), f"{path}.html")]
    return list(dict.fromkeys(filter(None, ways)))


@contextmanager
def _trace_of(loaded: Loaded) -> Iterator[Connection]:
    with opened_for_reading(loaded.state) as connection:
        if connection is None or Trace(connection).identity is None:
            raise ConfigError(
                "nothing is known of this site's pages yet",
                code="VB1107",
                where=str(loaded.state),
                hint="`velobuild build` makes them, and writes down what each of them reads",
            )
        yield connection


def _copied(loaded: Loaded, connection: Connection, wanted: list[str]) -> CopiedFile | None:
    live = publisher_of(loaded).live()
    path = next((path for path in wanted if live is not None and path in live.files), None)
    if path is None:
        return None
    from velobuild.render.theme import load_theme

    theme = load_theme(loaded.config, loaded.root)
    trace = Trace(connection)
    for name, static in (*theme.assets.items(), *theme.verbatim.items()):
        if static.path == path:
            source = "velobuild's own style sheet for code" if static.source is None else str(static.source)
            urls = [trace.output(id).target.url for id in trace.readers_of_key(f"asset:{name}")]
            return _file(path, f"the static file {source}", urls)
    assets, names = AssetTable(connection), Names(connection)
    for url, *_ in assets.published():
        asset = assets.get(url)
        if asset is not None and asset.path == path:
            rows = connection.execute("SELECT post_id FROM media_use WHERE url = ? ORDER BY post_id", (url,))
            return _file(path, f"a media file of the CMS, {url}", [f"the post “{names.post(id)}”" for (id,) in rows])
    return CopiedFile(path, "a file of an earlier build, which a page that could not be rendered still shows", ())


def _file(path: str, source: str, shown_by: list[str]) -> CopiedFile:
    return CopiedFile(path, source, tuple(sorted(shown_by)[:NAMED]), max(0, len(shown_by) - NAMED))


def _unknown(connection: Connection, trace: Trace, name: str, wanted: list[str]) -> Explanation:
    """Raises ConfigError VB1107."""
    for path in wanted:
        removal = removal_of(connection, path)
        if removal is not None:
            build, cause = removal
            raise ConfigError(
                f"there is no page at {name} any more: build {build.number} ({build.at[:16].replace('T', ' ')} UTC) "
                f"removed it. {gone_words(cause)}",
                code="VB1107",
                where=name,
                hint="`velobuild explain --all` tells what the last build did",
            )
    waits = _waiting(connection, wanted)
    if waits is not None:
        raise ConfigError(f"there is no page at {name} yet: {waits[0]}", code="VB1107", where=name, hint=waits[1])
    paths = [output.target.path for output in trace.outputs()]
    near = difflib.get_close_matches(wanted[0] if wanted else name, paths, 3, cutoff=0.5)
    near += [path for path in difflib.get_close_matches(f"{name.strip('/')}/index.html", paths, 2) if path not in near]
    shown = " or ".join("/" + path.removesuffix("index.html") for path in near[:3])
    raise ConfigError(
        f"there is no page at {name}",
        code="VB1107",
        where=name,
        hint=f"did you mean {shown}?" if shown else "give a path such as /about/, a full URL, or a file of the output",
    )


def _waiting(connection: Connection, wanted: list[str]) -> tuple[str, str] | None:
    """Why a post that the address names has no page, and what to do about it; None where it names none."""
    for path in wanted:
        slug = path.removesuffix("/index.html").removesuffix(".html").rpartition("/")[2]
        row = connection.execute(WITHOUT_PAGE, (slug,)).fetchone()
        if row is not None:
            title, status, due = row
            if status != "published":
                return f"the post “{title}” is not published, its status is “{status}”", "publish it, and build"
            return (
                f"the post “{title}” is dated {due[:16].replace('T', ' ')} UTC",
                "the next build after that makes its page",
            )
    return None
