"""A folder of Markdown files as a source: the same posts, pages and pictures as from a CMS, and nobody to ask.

A file that did not change (time, size and inode) is not read again: the cursor remembers what it was. A file that
cannot be taken in stops the synchronisation, for it is the owner's own and to be mended; all such files are named at
once, and the site stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from velobuild.config.schema import Loaded
from velobuild.errors import ConfigError, ContentProblem, Diagnostic, Severity
from velobuild.model.entries import Collection, Delta, Media, Page, Post
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Clock, Known, Progress, Warn
from velobuild.sources.doctor import Finding, Verdict
from velobuild.sources.folder_files import Found, Unreadable, read, walk
from velobuild.sources.folder_posts import FolderFile, Reading, page_of, post_of, take_apart
from velobuild.sources.listing import no_progress
from velobuild.sources.opening import Opened
from velobuild.sources.posts import Tally
from velobuild.sources.records import version_of_entry

FORMAT = 1
"""Raised when the same file comes to mean another entry."""
BATCH = 100
POSTS, PAGES, MEDIA = Collection.POSTS, Collection.PAGES, Collection.MEDIA


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a file, so that it need not be read again. `id` is "" for what is no post."""

    stamp: str
    sha256: str
    id: str = ""
    is_page: bool = False
    draft: bool = False
    name: str = ""
    links: tuple[str, ...] = ()
    cover: Mapping[str, Any] | None = None

    @property
    def link(self) -> str:
        return f"/{self.name}"


@dataclass(slots=True)
class Scan:
    """One look at the folder: every file by its path, and what is wrong with some."""

    files: dict[str, Seen] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)


class Folder:
    """A `Source`. `drafts` brings drafts too, for a preview."""

    def __init__(
        self,
        folder: Path,
        reading: Reading,
        *,
        clock: Clock,
        warn: Warn = lambda finding: None,
        progress: Progress = no_progress,
        drafts: bool = False,
    ) -> None:
        self._folder = folder
        self._reading = reading
        self._clock = clock
        self._warn = warn
        self._progress = progress
        self._drafts = drafts
        # A folder that is suddenly empty is most often one that was not mounted.
        self._tally = Tally(may_empty=False)

    @property
    def tally(self) -> Tally:
        return self._tally

    def changes(self, known: Known, cursor: str | None) -> Iterator[Delta]:
        """See `Source.changes`.

        Raises ConfigError if there is no such folder, ContentProblem with every file that cannot be taken in.
        """
        self._tally = Tally(may_empty=False)
        self._require_folder()
        recipe = self._recipe()
        before = self._remembered(cursor, recipe)
        scan = Scan()
        found = self._scan(before, scan)
        shown = {path: seen for path, seen in scan.files.items() if seen.id and (self._drafts or not seen.draft)}
        self._refuse_doubled_ids(shown, scan)
        links = {path: seen.link for path, seen in shown.items()}
        versions: dict[Collection, dict[str, str]] = {POSTS: {}, PAGES: {}}
        covers: dict[str, Media] = {}
        due: list[tuple[Found, str]] = []
        for path, seen in shown.items():
            collection = PAGES if seen.is_page else POSTS
            version = _version(seen, recipe, links)
            versions[collection][seen.id] = version
            if seen.cover is not None:
                cover = Media(**seen.cover)
                covers[cover.id] = cover
            if not known.holds(collection, seen.id, version):
                due.append((found[path], version))
        yield from self._entries(due, links, scan)
        if scan.problems:
            raise _all_problems(scan.problems)
        self._tally.listed = len(versions[POSTS])
        self._tally.drafts = sum(seen.draft for seen in scan.files.values())
        remembered = {path: asdict(seen) for path, seen in scan.files.items() if seen.stamp}
        text = json.dumps({"recipe": recipe, "files": remembered}, separators=(",", ":"), sort_keys=True)
        media = {id: version_of_entry(cover) for id, cover in covers.items()}
        news = tuple(cover for id, cover in sorted(covers.items()) if not known.holds(MEDIA, id, media[id]))
        for collection in (POSTS, PAGES):
            yield Delta(collection, versions=versions[collection], cursor=text, complete=True)
        yield Delta(MEDIA, news, media, cursor=text, complete=True)

    def examine(self) -> list[Finding]:
        """What the folder looks like, for `velobuild doctor`. Never raises for what is in it."""
        try:
            self._require_folder()
        except ConfigError as error:
            return [Finding("folder", Verdict.ERROR, str(error), error.hint, error.code, error.exit_code)]
        scan = Scan()
        self._scan({}, scan)
        entries = [seen for seen in scan.files.values() if seen.id]
        pages, drafts = sum(seen.is_page for seen in entries), sum(seen.draft for seen in entries)
        what = f"{self._folder}: {len(entries) - pages} posts and {pages} pages, {drafts} of them drafts"
        problems = [
            Finding("folder", Verdict.ERROR, f"{one.where}: {one.what}", one.hint, one.code, ContentProblem.exit_code)
            for one in scan.problems
        ]
        return [Finding("folder", Verdict.OK, what), *problems]

    def _require_folder(self) -> None:
        if not self._folder.is_dir():
            raise ConfigError(
                f"there is no folder {self._folder}",
                code="VB1101",
                where="source.path",
                hint="create it, or set `path` to where the Markdown files are",
            )

    def _recipe(self) -> str:
        """Everything but a file that decides what becomes of it."""
        reading = self._reading
        limits = [reading.limits.post_bytes, reading.limits.title_chars, reading.limits.tags]
        return fingerprint([FORMAT, reading.address, str(reading.zone), *limits]).hex()

    @staticmethod
    def _remembered(cursor: str | None, recipe: str) -> dict[str, Seen]:
        try:
            memory = json.loads(cursor or "{}")
            if memory.get("recipe") != recipe:
                return {}
            return {path: Seen(**{**seen, "links": tuple(seen["links"])}) for path, seen in memory["files"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):  # Another source's, or damaged: all is read anew.
            return {}

    def _scan(self, before: Mapping[str, Seen], scan: Scan) -> dict[str, Found]:
        """Look at every file; those that changed are read. Gives the files by their paths."""
        found: dict[str, Found] = {}
        for one in walk(self._folder, now_ns=int(self._clock().timestamp() * 1e9)):
            if not isinstance(one, Found):
                scan.problems.append(self._problem(one[0], one[1]))
                continue
            found[one.path] = one
            seen = before.get(one.path)
            if seen is None or not one.stamp or seen.stamp != one.stamp:
                seen = self._look(one, scan)
            if seen is not None:
                scan.files[one.path] = seen
        return found

    def _look(self, found: Found, scan: Scan) -> Seen | None:
        """Read a file to know what it is. None if it is left out or damaged."""
        try:
            file = self._taken_apart(found)
            if file is None:
                return Seen(found.stamp, "")
            cover = None
            if not file.is_page and not (file.draft and not self._drafts):
                cover = post_of(file, self._reading, {})[1]
        except (Unreadable, ContentProblem) as error:
            scan.problems.append(self._problem(found.path, error))
            return None
        except TooLarge as error:
            self._tally.left_out += 1
            self._warn(Diagnostic("VB3001", str(error), str(self._folder / found.path), "limits.post_bytes"))
            return None
        return Seen(
            found.stamp,
            file.sha256,
            file.id,
            file.is_page,
            file.draft,
            file.name,
            file.links,
            None if cover is None else {"id": cover.id, "url": cover.url, "filename": cover.filename, "alt": cover.alt},
        )

    def _taken_apart(self, found: Found) -> FolderFile | None:
        limit = self._reading.limits.post_bytes
        content = read(self._folder, found, limit_bytes=limit)
        if len(content) > limit:
            raise TooLarge(f"the file is larger than {limit:,} bytes; it was left out")
        return take_apart(found.path, content)

    def _entries(self, due: list[tuple[Found, str]], links: Mapping[str, str], scan: Scan) -> Iterator[Delta]:
        """The entries that the store does not have, a batch at a time: never all bodies at once."""
        for start in range(0, len(due), BATCH):
            self._progress("folder", start, len(due), None)
            posts: dict[str, tuple[Post, str]] = {}
            pages: dict[str, tuple[Page, str]] = {}
            for found, version in due[start : start + BATCH]:
                try:
                    file = self._taken_apart(found)
                    if file is None:
                        continue
                    own = {path: links[path] for path in file.links if path in links}
                    if file.is_page:
                        pages[file.id] = page_of(file, self._reading, own), version
                    else:
                        posts[file.id] = post_of(file, self._reading, own)[0], version
                except (Unreadable, ContentProblem, TooLarge) as error:  # It changed since the first look.
                    scan.problems.append(self._problem(found.path, error))
            self._tally.bodies_fetched += len(posts) + len(pages)
            if posts:
                yield Delta(POSTS, tuple(p for p, _ in posts.values()), {id: v for id, (_, v) in posts.items()})
            if pages:
                yield Delta(PAGES, tuple(p for p, _ in pages.values()), {id: v for id, (_, v) in pages.items()})

    def _refuse_doubled_ids(self, shown: Mapping[str, Seen], scan: Scan) -> None:
        """Two files with one id would be one post, which of them nobody could say."""
        first: dict[tuple[bool, str], str] = {}
        for path, seen in sorted(shown.items()):
            other = first.setdefault((seen.is_page, seen.id), path)
            if other != path:
                scan.problems.append(
                    Diagnostic(
                        "VB3005",
                        f"{other} has the same id, `{seen.id}`",
                        str(self._folder / path),
                        "give one of them another `id` in its front matter",
                        Severity.ERROR,
                    )
                )

    def _problem(self, path: str, error: Exception) -> Diagnostic:
        if isinstance(error, ContentProblem):
            first = error.diagnostics[0]
            return Diagnostic(first.code, first.what, f"{self._folder}/{first.where}", first.hint, Severity.ERROR)
        hint = "mend the file, or take it out of the folder"
        return Diagnostic("VB3005", str(error), str(self._folder / path), hint, Severity.ERROR)


class TooLarge(Exception):
    """A file beyond `limits.post_bytes`."""


def _version(seen: Seen, recipe: str, links: Mapping[str, str]) -> str:
    """Changes with the file, with how it is read, and with where the files are that it links to."""
    own = [[path, links.get(path)] for path in seen.links]
    return fingerprint([seen.sha256, recipe, own]).hex()


def _all_problems(problems: list[Diagnostic]) -> ContentProblem:
    first, *more = problems
    return ContentProblem(first.what, code=first.code, where=first.where, hint=first.hint, more=tuple(more))


def open_folder(
    loaded: Loaded,
    *,
    cache: Path | None,
    clock: Clock,
    warn: Warn,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> Opened:
    """Nothing is read yet. `cache` and `sleep` are for sources that ask somebody."""
    config = loaded.config
    address = config.source.address
    assert address is not None
    source = Folder(
        loaded.root / config.source.path,
        Reading(address, ZoneInfo(config.site.timezone), config.limits),
        clock=clock,
        warn=warn,
        progress=progress or no_progress,
        drafts=loaded.drafts,
    )
    return Opened(source, None, None, source.examine)
