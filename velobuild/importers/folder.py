"""What was imported as a folder: a file of front matter and HTML for each post, and the lines of configuration with it.

HTML stays HTML: any way through Markdown would lose some of it. Files that exist are never touched.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from velobuild.config.schema import LimitsConfig
from velobuild.content.permalinks import UnsafeSlug, place, safe_slug
from velobuild.errors import OutputError
from velobuild.importers.entries import Imported, LeftOut, OldSite
from velobuild.model.entries import DEVICE_NAMES, slugify
from velobuild.sources.dates import YEARS

POSTS, PAGES = "posts", "pages"
DEFAULT_PATTERN = "/{slug}/"
# U+2028 and the like are line ends to YAML, and C1 controls are forbidden; escaped, they are what they were.
ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
FILE = re.compile(r'(?<![\w-])((?:src|poster)\s*=\s*["\'])(/(?!/))', re.IGNORECASE)
UPLOAD = re.compile(r'(?<![\w-])(href\s*=\s*["\'])(/(?:wp-content|content/(?:images|files|media))/)', re.IGNORECASE)
SOURCE = re.compile(r'(?<![\w-])(?:src|poster)\s*=\s*["\'](https?://[^"\'\s]+)', re.IGNORECASE)
NO_PATH = re.compile(r'[\\?#"<>\x00-\x1f]|//')
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


@dataclass(slots=True)
class Written:
    """What was done, and what the configuration needs to know of it."""

    posts: int = 0
    pages: int = 0
    existed: int = 0
    media_hosts: set[str] = field(default_factory=set)
    old: list[tuple[str, Imported]] = field(default_factory=list)
    """The old address and the post (without its body) of each that was public."""


def write(entries: Iterable[Imported], folder: Path, *, site: OldSite, left_out: LeftOut) -> Written:
    """Write each entry into a file of its own below `folder`, unless there is one. Raises OutputError VB6002."""
    written = Written()
    names: set[Path] = set()
    for entry in entries:
        entry = _usable(entry, left_out)
        html = _with_host(entry.html, site.url)
        _note_hosts(written, entry, html, site)
        file = _file_of(entry, folder, names)
        names.add(file)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as out:
                out.write(f"{front_matter(entry)}\n{html}\n")
        except FileExistsError:
            written.existed += 1
        except OSError as error:
            raise OutputError(
                f"an imported file cannot be written: {error.strerror}",
                code="VB6002",
                where=str(file),
                hint="check the folder's permissions and the free space",
            ) from error
        else:
            written.posts += entry.kind == "post"
            written.pages += entry.kind == "page"
        if entry.old_path and entry.kind == "post":
            written.old.append((entry.old_path, replace(entry, html="")))
    if written.existed:
        left_out(str(folder), f"{written.existed} files were there already and stay as they are")
    return written


def _usable(entry: Imported, left_out: LeftOut) -> Imported:
    """The entry without what a folder of posts refuses: one bad date would keep the whole site from being built."""
    named = f"“{entry.title}” (id {entry.id})"
    date, updated = (moment if moment and moment.year in YEARS else None for moment in (entry.date, entry.updated))
    status = entry.status
    if entry.kind == "post" and date is None and status == "published":
        status = "draft"
        left_out(named, "it has no date that can be meant; it is kept as a draft")
    old_path, path = entry.old_path, unquote(entry.old_path or "")
    if entry.kind == "page" and (NO_PATH.search(path) or any(part in (".", "..") for part in path.split("/"))):
        old_path = None
        left_out(named, "its old address cannot be published; it is published under its name")
    if len(entry.html) > LimitsConfig().post_bytes:
        left_out(named, "it is longer than limits.post_bytes; raise that, or the build will name it again")
    return replace(entry, date=date, updated=updated, status=status, old_path=old_path)


def front_matter(entry: Imported) -> str:
    """The fields between two `---`. Every text is JSON, which YAML reads as the same text."""
    fields: dict[str, object] = {"title": entry.title or entry.slug or entry.id}
    if entry.kind == "page":
        fields["path"] = (
            unquote(entry.old_path or "").strip("/") or slugify(entry.slug) or slugify(entry.title) or entry.id
        )
    else:
        fields["slug"] = entry.slug or slugify(entry.title) or entry.id
    fields["id"] = entry.id
    fields |= {
        "date": entry.date,
        "updated": entry.updated,
        "status": entry.status,
        "tags": list(entry.tags) or None,
        "author": entry.author,
        "excerpt": entry.excerpt,
        "cover": entry.cover,
        "cover_alt": entry.cover_alt,
        "seo_title": entry.seo_title,
        "seo_description": entry.seo_description,
        "guid": entry.guid,
        **entry.extra,
    }
    if entry.kind == "page":
        # A page has one description, and no drafts but by this word.
        fields["description"] = entry.seo_description or entry.excerpt
        fields["draft"] = True if entry.status == "draft" else None
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items() if value is not None]
    return "\n".join(["---", *lines, "---", ""])


def configuration(written: Written, *, site: OldSite, folder: str, whole: bool) -> str:
    """velobuild.toml for the imported folder; not `whole`, only what an existing one would need of it."""
    zone_name, zone = _zone(site, written)
    pattern = _pattern(written, zone)
    lines = ["# From an import: the addresses of before lead to the same posts.", ""]
    if whole:
        lines.append("[site]")
        lines += [f"title = {_toml(site.title)}"] if site.title else []
        lines += [f"description = {_toml(site.description)}"] if site.description else []
        lines.append(f"base_url = {_toml(site.url)}" if site.url else '# base_url = "https://example.org"')
        if site.language and LANGUAGE.fullmatch(site.language):
            lines.append(f"language = {_toml(site.language.replace('_', '-'))}")
        lines += [f"timezone = {_toml(zone_name)}", ""]
        lines += ["[source]", 'type = "folder"', f"path = {_toml(folder)}"]
        if written.media_hosts:
            lines.append("# The pictures still lie here: a build while the old site answers fetches and keeps them.")
            lines.append(f"media_hosts = {json.dumps(sorted(written.media_hosts))}")
        lines.append("")
    elif written.media_hosts:
        lines += [f"# [source] media_hosts = {json.dumps(sorted(written.media_hosts))}", ""]
    lines += ["[urls]", f"post = {_toml(pattern)}", ""]
    for old, new in redirects(written, pattern, zone):
        lines += ["[[redirects]]", f"from = {_toml(old)}", f"to = {_toml(new)}", ""]
    return "\n".join(lines)


def redirects(written: Written, pattern: str, zone: tzinfo) -> list[tuple[str, str]]:
    """(old address, new one) of every public post whose address the pattern does not give again."""
    found: dict[str, str] = {}
    for old, entry in written.old:
        new = _address(entry, pattern, zone)
        spelled = unicodedata.normalize("NFC", unquote(old))
        if new and spelled.rstrip("/") != new.rstrip("/"):
            found.setdefault(spelled, new)
    return sorted(found.items())


def _address(entry: Imported, pattern: str, zone: tzinfo) -> str | None:
    if entry.date is None:
        return None
    try:
        slug = safe_slug(entry.slug, entry.id)
    except UnsafeSlug:
        return None
    return place(pattern, slug, entry.id, entry.date.astimezone(UTC).isoformat(), zone)


def _pattern(written: Written, zone: tzinfo) -> str:
    """The pattern that gives most of the old addresses again."""
    counted: Counter[str] = Counter()
    for old, entry in written.old:
        if entry.date is None or not entry.slug:
            continue
        day = entry.date.astimezone(zone)
        wanted = {f"{day.year:04d}": "{year}", f"{day.month:02d}": "{month}", f"{day.day:02d}": "{day}"}
        parts = unquote(old).strip("/").split("/")
        if parts[-1] != entry.slug or not old.endswith("/"):
            continue
        # A category in front of it is each post's own: only what all have in common makes a pattern.
        made, names = [], iter(wanted.items())
        name = next(names, None)
        for part in parts[:-1]:
            if name is not None and part == name[0]:
                made.append(name[1])
                name = next(names, None)
            else:
                made.append(part)
        if not any("{" in part and part not in wanted.values() for part in made):
            counted["/" + "/".join([*made, "{slug}"]) + "/"] += 1
    return max(counted, key=lambda pattern: (counted[pattern], pattern), default=DEFAULT_PATTERN)


def _zone(site: OldSite, written: Written) -> tuple[str, tzinfo]:
    """The zone of the old site: named, or told by all dates having one whole offset, or UTC."""
    if site.timezone:
        try:
            return site.timezone, ZoneInfo(site.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    offsets = {entry.date.utcoffset() for _, entry in written.old if entry.date is not None}
    if len(offsets) == 1 and (offset := offsets.pop()) and not offset % timedelta(hours=1):
        hours = offset // timedelta(hours=1)
        # These names have their sign the other way round: Etc/GMT-2 lies two hours east of Greenwich.
        name = f"Etc/GMT{-hours:+d}"
        try:
            return name, ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    return "UTC", UTC


def _file_of(entry: Imported, folder: Path, taken: set[Path]) -> Path:
    name = slugify(entry.slug) or slugify(entry.title) or slugify(entry.id) or "entry"
    name = f"{name}-" if name in DEVICE_NAMES else name
    place = folder / (PAGES if entry.kind == "page" else POSTS)
    file = place / f"{name}.html"
    number = 1
    while file in taken:
        number += 1
        file = place / f"{name}-{slugify(entry.id)}{'' if number == 2 else f'-{number}'}.html"
    return file


def _with_host(html: str, url: str | None) -> str:
    """Files that the old host serves from its root, with its name: here they would lead nowhere."""
    if not url:
        return html
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc}"
    return UPLOAD.sub(rf"\g<1>{host}\g<2>", FILE.sub(rf"\g<1>{host}\g<2>", html))


def _note_hosts(written: Written, entry: Imported, html: str, site: OldSite) -> None:
    """The old site's own hosts from which it shows files. Other people's are theirs."""
    own = urlsplit(site.url).hostname if site.url else None
    if not own:
        return
    for address in [*SOURCE.findall(html), *filter(None, [entry.cover])]:
        try:
            host = urlsplit(address).hostname or ""
        except ValueError:
            continue
        bare = own.removeprefix("www.")
        if host in (own, bare) or host.endswith(f".{bare}"):
            written.media_hosts.add(host)


def _yaml(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = json.dumps(value, ensure_ascii=False)
    return ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _toml(text: str) -> str:
    # JSON's quoting is TOML's, where DEL is escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
