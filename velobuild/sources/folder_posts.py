"""A Markdown file with front matter as the post or page that a CMS would have given. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any
from unicodedata import normalize
from urllib.parse import quote, urlsplit

from velobuild.config.schema import LimitsConfig
from velobuild.markup.base import with_base
from velobuild.markup.frontmatter import split
from velobuild.markup.text import clean_text, one_line
from velobuild.model.entries import DRAFT, BodyFormat, Media, Page, Post, slugify
from velobuild.sources.dates import YEARS
from velobuild.sources.folder_files import MARKDOWN, Unreadable
from velobuild.sources.folder_links import rewritten, targets
from velobuild.sources.pages import HEADING
from velobuild.sources.records import NO_DATE

FILE_DATE = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})[-_ ]+(?P<rest>.+)", re.ASCII)
DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~/%-]{0,199}", re.ASCII)
PAGES_FOLDER = "pages"
PUBLISHED = "published"
NAMED = frozenset(
    (
        "id",
        "title",
        "slug",
        "date",
        "published_at",
        "updated",
        "updated_at",
        "lastmod",
        "draft",
        "status",
        "tags",
        "type",
    )
) | {"excerpt", "summary", "cover", "cover_alt", "seo_title", "seo_description", "author", "authors"}
NAMED_PAGE = frozenset({"title", "description", "template", "path", "slug", "draft", "status", "type", "id"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file is read with: `address` stands for the folder, `zone` is where dates without one are meant."""

    address: str
    zone: tzinfo
    limits: LimitsConfig


@dataclass(frozen=True, slots=True)
class FolderFile:
    """A file taken apart. `links` are the files of the folder that it links to."""

    path: str
    id: str
    is_page: bool
    draft: bool
    name: str
    """A post's slug, or a page's path."""
    sha256: str
    links: tuple[str, ...]
    front: Mapping[str, Any]
    body: str
    repairs: tuple[str, ...] = ()


def take_apart(path: str, content: bytes) -> FolderFile | None:
    """The file, or None for HTML without front matter, which is no post. Raises Unreadable, ContentProblem."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    place = PurePosixPath(path)
    markdown = place.suffix.lower() in MARKDOWN
    if not markdown and text.split("\n", 1)[0].rstrip() not in ("---", "+++"):
        return None
    front, body = split(text, where=path)
    stem = place.stem if place.stem != "index" or not place.parent.name else place.parent.name
    dated = FILE_DATE.fullmatch(stem)
    is_page = _is_page(front, place)
    name = _page_path(front, place) if is_page else _line(front, "slug") or slugify(dated["rest"] if dated else stem)
    if not is_page and "date" not in front and "published_at" not in front and dated:
        front = {**front, "date": dated["date"]}
    given = front.get("id")
    id = quote(normalize("NFC", path.removesuffix(place.suffix)), safe="/~") if given is None else str(given)
    if not ID.fullmatch(id) and given is not None:
        raise Unreadable(f"its id {id[:80]!r} cannot be one: letters, digits and `-._~/`, at most 200")
    if len(id) > 200:
        id = sha256(id.encode()).hexdigest()
    return FolderFile(
        path=path,
        id=id,
        is_page=is_page,
        draft=_is_draft(front),
        name=name,
        sha256=sha256(content).hexdigest(),
        links=targets(body, path) if markdown else (),
        front=front,
        body=body,
    )


def post_of(file: FolderFile, reading: Reading, links: Mapping[str, str]) -> tuple[Post, Media | None]:
    """The post and the record of its cover. `links` says where the files are that it links to. Raises Unreadable."""
    front, limits = file.front, reading.limits
    published = _date(front, ("date", "published_at"), reading.zone)
    if published is None and not file.draft:
        raise Unreadable("the post has no date: write `date: 2026-05-03`, or begin the file's name with 2026-05-03-")
    title, body = _title_and_body(file)
    author = _author(front)
    cover = _cover(file, reading)
    extra = {key: plain(value) for key, value in sorted(front.items()) if key not in NAMED}
    if author is not None:
        extra["author"] = author
    if file.draft:  # Brought for a preview alone.
        extra[DRAFT] = True
    return (
        Post(
            id=file.id,
            slug=file.name,
            title=title[: limits.title_chars],
            body=_placed(body, file, reading, links),
            body_format=_format(file),
            status=PUBLISHED,
            updated_at=_date(front, ("updated", "updated_at", "lastmod"), reading.zone) or published or NO_DATE,
            published_at=published,
            excerpt=_line(front, "excerpt") or _line(front, "summary") or None,
            tags=_tags(front.get("tags"))[: limits.tags],
            author_id=slugify(author) or None if author else None,
            cover_media_id=None if cover is None else cover.id,
            seo_title=_line(front, "seo_title") or None,
            seo_description=_line(front, "seo_description") or _line(front, "description") or None,
            extra=extra,
        ),
        cover,
    )


def page_of(file: FolderFile, reading: Reading, links: Mapping[str, str]) -> Page:
    """The page, published at `file.name`."""
    title, body = _title_and_body(file)
    return Page(
        id=file.id,
        path=file.name,
        title=title[: reading.limits.title_chars],
        body=_placed(body, file, reading, links),
        body_format=_format(file),
        description=_line(file.front, "description") or None,
        template=_line(file.front, "template") or None,
        extra={key: plain(value) for key, value in sorted(file.front.items()) if key not in NAMED_PAGE},
    )


def plain(value: Any) -> Any:
    """A front matter value as JSON knows it: dates become ISO 8601."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, str):
        return clean_text(value)[0]
    return value if isinstance(value, int | float | bool) or value is None else str(value)


def moment(value: Any, zone: tzinfo) -> datetime:
    """A date of front matter as a moment in UTC; without a zone it is meant in `zone`. Raises Unreadable."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = date.fromisoformat(text) if DATE_ONLY.fullmatch(text) else datetime.fromisoformat(text)
        except ValueError as error:
            raise Unreadable(f"`{text[:40]}` is no date; write it like 2026-05-03 or 2026-05-03 18:30") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise Unreadable(f"`{str(value)[:40]}` is no date; write it like 2026-05-03 or 2026-05-03 18:30")
    try:
        found = (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable("its date lies too far away") from error
    if found.year not in YEARS:
        raise Unreadable("its date lies too far away")
    return found


def _date(front: Mapping[str, Any], names: tuple[str, ...], zone: tzinfo) -> datetime | None:
    value = next((front[name] for name in names if front.get(name) not in (None, "")), None)
    return None if value is None else moment(value, zone)


def _is_page(front: Mapping[str, Any], place: PurePosixPath) -> bool:
    kind = front.get("type")
    if kind in ("page", "post"):
        return bool(kind == "page")
    return place.parts[0] == PAGES_FOLDER and len(place.parts) > 1


def _is_draft(front: Mapping[str, Any]) -> bool:
    status = front.get("status")
    return front.get("draft") is True or (status is not None and str(status).strip().lower() != PUBLISHED)


def _page_path(front: Mapping[str, Any], place: PurePosixPath) -> str:
    parts = place.with_suffix("").parts
    parts = parts[1:] if parts[0] == PAGES_FOLDER and len(parts) > 1 else parts
    parts = parts[:-1] if parts[-1] == "index" and len(parts) > 1 else parts
    given = _line(front, "path") or _line(front, "slug")
    path = (given or "/".join(slugify(part) for part in parts)).strip("/")
    if any(part in ("", ".", "..") for part in path.split("/")) or any(char in path for char in '\\\0\n?#"<>'):
        raise Unreadable(f"a page cannot be published at {path[:80]!r}: write a `path` such as `about/team`")
    return path


def _title_and_body(file: FolderFile) -> tuple[str, str]:
    title, body = _line(file.front, "title"), file.body
    if not title and _format(file) is BodyFormat.MARKDOWN and (heading := HEADING.match(body)):
        title, body = one_line(heading["title"]), body[heading.end() :]
    return title or file.name.rpartition("/")[2].replace("-", " ").capitalize() or file.id, body


def _format(file: FolderFile) -> BodyFormat:
    return BodyFormat.MARKDOWN if PurePosixPath(file.path).suffix.lower() in MARKDOWN else BodyFormat.HTML


def _placed(body: str, file: FolderFile, reading: Reading, links: Mapping[str, str]) -> str:
    """The body, from which it can be told where its relative addresses lead."""
    folder = file.path.rpartition("/")[0]
    base = f"{reading.address}/{quote(folder)}/" if folder else f"{reading.address}/"
    return with_base(rewritten(body, file.path, links) if links else body, base)


def _line(front: Mapping[str, Any], name: str) -> str:
    value = front.get(name)
    if value is None or isinstance(value, bool | Mapping | list):
        return ""
    return one_line(clean_text(str(value))[0])


def _tags(value: Any) -> tuple[str, ...]:
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    tags = (one_line(clean_text(str(tag))[0]) for tag in given if isinstance(tag, str | int | float | date))
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _author(front: Mapping[str, Any]) -> str | None:
    given = front.get("authors") or front.get("author")
    people = given if isinstance(given, list) else [given]
    names = [person.get("name") if isinstance(person, Mapping) else person for person in people]
    return ", ".join(one_line(clean_text(str(name))[0]) for name in names if name) or None


def _cover(file: FolderFile, reading: Reading) -> Media | None:
    """The record of the cover: a file beside the post or, from a `/` on, in the folder; or an address."""
    given = _line(file.front, "cover")
    if not given:
        return None
    alt = file.front.get("cover_alt")
    described = clean_text(str(alt))[0] if isinstance(alt, str) else None
    if urlsplit(given).scheme in ("http", "https"):
        return Media(id=sha256(given.encode()).hexdigest()[:32], url=given, alt=described)
    folder = "" if given.startswith("/") else file.path.rpartition("/")[0]
    parts: list[str] = []
    for part in f"{folder}/{given}".split("/"):
        if part == ".." and not parts:
            raise Unreadable(f"the cover {given[:80]!r} lies outside of the folder")
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = quote("/".join(parts))
    # Two posts may describe one picture in two ways.
    mark = "" if described is None else f"-{sha256(described.encode()).hexdigest()[:8]}"
    return Media(
        id=f"{path}{mark}", url=f"{reading.address}/{path}", filename=parts[-1] if parts else "", alt=described
    )
