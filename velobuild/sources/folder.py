"""A folder of Markdown files as a source: the same posts, pages and pictures as from a CMS, and nobody to ask.

A file that did not change (time, size and inode) is not read again: the cursor remembers what it was. A file that
cannot be taken in stops the synchronisation, for it is the owner's own and to be mended; all such files are named at
once, and the site stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from velobuild.config.schema import Loaded
from velobuild.errors import ConfigError, ContentProblem, Diagnostic, Severity
from velobuild.model.entries import Collection, Delta, Media, Page, Post
from velobuild.model.keys import fingerprint
from velobuild.model.ports import Clock, Known, Progress, Warn
from velobuild.sources.doctor import Finding, Verdict
from velobuild.sources.folder_files import Found, Unreadable, read, walk
from velobuild.sources.folder_memory import PAGES, POSTS, Batch, Scan, Seen, recall, remember
from velobuild.sources.folder_posts import FolderFile, Reading, page_of, post_of, take_apart
from velobuild.sources.listing import no_progress
from velobuild.sources.opening import Opened
from velobuild.sources.posts import Tally
from velobuild.sources.records import version_of_entry

FORMAT = 1
"""Raised when the same file comes to mean another entry."""
BATCH = 100
MEDIA = Collection.MEDIA


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
        scan = Scan()
        yield from self._scan(recall(cursor, recipe), scan, known, recipe)
        shown = {path: seen for path, seen in scan.files.items() if self._shows(seen)}
        self._refuse_doubled_ids(shown, scan)
        links = {path: seen.link for path, seen in shown.items()}
        versions: dict[Collection, dict[str, str]] = {POSTS: {}, PAGES: {}}
        covers: dict[str, Media] = {}
        due: list[tuple[str, str]] = []
        for path, seen in shown.items():
            version = seen.version(recipe, links)
            versions[seen.collection][seen.id] = version
            if seen.cover is not None:
                covers[seen.cover["id"]] = Media(**seen.cover)
            if path not in scan.handed_over and not known.holds(seen.collection, seen.id, version):
                due.append((path, version))
        yield from self._linking(due, links, scan)
        if scan.problems:
            raise _all_problems(scan.problems)
        self._tally.listed = len(versions[POSTS])
        self._tally.drafts = sum(seen.draft for seen in scan.files.values())
        text = remember(scan.files, recipe)
        media = {id: version_of_entry(cover) for id, cover in covers.items()}
        news = tuple(cover for id, cover in sorted(covers.items()) if not known.holds(MEDIA, id, media[id]))
        for collection in (POSTS, PAGES):
            yield Delta(collection, versions=versions[collection], cursor=text, complete=True)
        yield Delta(MEDIA, news, media, cursor=text, complete=True)

    def is_as_remembered(self, cursor: str | None) -> bool:
        """See `Glances`. A file too young for a stamp, and one that cannot be read, are never as remembered."""
        before = recall(cursor, self._recipe())
        now_ns = int(self._clock().timestamp() * 1e9)
        stamps = {one.path: one.stamp for one in walk(self._folder, now_ns=now_ns) if isinstance(one, Found)}
        return all(stamps.values()) and stamps == {path: seen.stamp for path, seen in before.items()}

    def examine(self) -> list[Finding]:
        """What the folder looks like, for `velobuild doctor`. Never raises for what is in it."""
        try:
            self._require_folder()
        except ConfigError as error:
            return [Finding("folder", Verdict.ERROR, str(error), error.hint, error.code, error.exit_code)]
        scan = Scan()
        for _ in self._scan({}, scan, None, ""):
            pass
        entries = [seen for seen in scan.files.values() if seen.id]
        pages, drafts = sum(seen.is_page for seen in entries), sum(seen.draft for seen in entries)
        posts = len(entries) - pages
        what = f"{self._folder}: {posts} post{'s'[: posts != 1]} and {pages} page{'s'[: pages != 1]}, drafts: {drafts}"
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

    def _shows(self, seen: Seen) -> bool:
        return bool(seen.id) and (self._drafts or not seen.draft)

    def _scan(self, before: Mapping[str, Seen], scan: Scan, known: Known | None, recipe: str) -> Iterator[Delta]:
        """Look at every file and read those that changed; what needs no look at others is handed over at once.

        Without `known` nothing is handed over.
        """
        batch = Batch()
        for one in walk(self._folder, now_ns=int(self._clock().timestamp() * 1e9)):
            if not isinstance(one, Found):
                scan.problems.append(self._problem(one[0], one[1]))
                continue
            seen = before.get(one.path)
            if seen is not None and one.stamp and seen.stamp == one.stamp:
                scan.files[one.path] = seen
                continue
            seen, entry = self._look(one, scan)
            if seen is None:
                continue
            scan.files[one.path] = seen
            if entry is None or seen.links or known is None:
                continue
            scan.handed_over.add(one.path)
            version = seen.version(recipe, {})
            if not known.holds(seen.collection, seen.id, version):
                batch.add(entry, version)
                if len(batch) >= BATCH:
                    yield from self._handed(batch)
        yield from self._handed(batch)

    def _handed(self, batch: Batch) -> list[Delta]:
        self._tally.bodies_fetched += len(batch)
        self._progress("folder", self._tally.bodies_fetched, None, None)
        return batch.take()

    def _look(self, found: Found, scan: Scan) -> tuple[Seen | None, Post | Page | None]:
        """Read a file to know what it is: (nothing if it is left out or damaged, its entry as if it had no links)."""
        try:
            file = self._taken_apart(found.path)
            if file is None:
                return Seen(found.stamp, ""), None
            seen = Seen(found.stamp, file.sha256, file.id, file.is_page, file.draft, file.name, file.links)
            if not self._shows(seen):
                return seen, None
            if file.is_page:
                return seen, page_of(file, self._reading, {})
            post, cover = post_of(file, self._reading, {})
        except (Unreadable, ContentProblem) as error:
            scan.problems.append(self._problem(found.path, error))
            return None, None
        except TooLarge as error:
            self._tally.left_out += 1
            self._warn(Diagnostic("VB3001", str(error), str(self._folder / found.path), "limits.post_bytes"))
            return None, None
        if cover is not None:
            kept = {"id": cover.id, "url": cover.url, "filename": cover.filename, "alt": cover.alt}
            seen = replace(seen, cover=kept)
        return seen, post

    def _taken_apart(self, path: str) -> FolderFile | None:
        limit = self._reading.limits.post_bytes
        content = read(self._folder, path, limit_bytes=limit)
        if len(content) > limit:
            raise TooLarge(f"the file is larger than {limit:,} bytes; it was left out")
        return take_apart(path, content)

    def _linking(self, due: list[tuple[str, str]], links: Mapping[str, str], scan: Scan) -> Iterator[Delta]:
        """The entries that link to others, now that it is known where those are."""
        batch = Batch()
        for path, version in due:
            try:
                file = self._taken_apart(path)
                if file is None:
                    continue
                own = {target: links[target] for target in file.links if target in links}
                batch.add(
                    page_of(file, self._reading, own) if file.is_page else post_of(file, self._reading, own)[0], version
                )
            except (Unreadable, ContentProblem, TooLarge) as error:  # It changed since the first look.
                scan.problems.append(self._problem(path, error))
            if len(batch) >= BATCH:
                yield from self._handed(batch)
        yield from self._handed(batch)

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
