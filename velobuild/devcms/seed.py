"""Fill a development CMS from a folder: `posts/*.md` with front matter, `media/*`, `settings.toml`.

Seeding again changes only what differs, so that a post's `updated` stays where its file stayed the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser

from velobuild.devcms.records import media_path, stored_date
from velobuild.errors import ConfigError, ContentProblem, Diagnostic
from velobuild.model.entries import slugify
from velobuild.model.ports import Clock, utc_now

if TYPE_CHECKING:
    from velobuild.devcms.running import Running

MEDIA = "media/"
LINKING = ("src", "href", "poster")
LONGEST = {"title": 1000, "slug": 255, "excerpt": 500, "seo_title": 60, "seo_description": 160}
# Words of other tools for the fields of this API.
OTHER_NAMES = {"date": "published_at", "description": "excerpt", "summary": "excerpt", "lastmod": "updated"}


@dataclass(frozen=True, slots=True)
class Seeded:
    """`posts` and `media` count the folder's files; `created` and `changed` the posts that were written."""

    posts: int
    media: int
    created: int
    changed: int
    warnings: tuple[Diagnostic, ...] = ()


def seed(running: Running, folder: Path, *, clock: Clock = utc_now) -> Seeded:
    """Bring the CMS to what the folder says. Posts are recognised by slug, media by their path below `media/`.

    Posts and media that only the CMS has stay. Raises: ConfigError, if the folder has neither posts nor media nor
    settings; ContentProblem (VB3005), for front matter that cannot be used.
    """
    if not folder.is_dir() or not any((folder / name).exists() for name in ("posts", "media", "settings.toml")):
        raise ConfigError(
            "there is nothing to seed from",
            code="VB1107",
            where=str(folder),
            hint="name a folder that holds posts/*.md, media/ and settings.toml",
        )
    files = sorted((folder / "posts").glob("*.md"))
    drafts = [_read_post(file) for file in files]
    _refuse_twins(files, drafts)
    settings = _read_settings(folder / "settings.toml")
    # All of the folder was understood: from here on the CMS changes.
    paths = _seed_media(running, folder / "media")
    _seed_settings(running, settings, paths)

    warnings: list[Diagnostic] = []
    alts: dict[str, str] = {}
    posts = [
        _with_body(file, fields, text, paths, alts, warnings)
        for file, (fields, text) in zip(files, drafts, strict=True)
    ]
    _describe_media(running, alts)
    created, changed = _seed_posts(running, posts, clock())
    return Seeded(len(posts), len(paths), created, changed, tuple(warnings))


def _seed_posts(running: Running, posts: list[dict[str, Any]], now: datetime) -> tuple[int, int]:
    known = {record["slug"]: record for record in running.posts()}
    new = [_first_dates(post, now) for post in posts if post["slug"] not in known]
    running.create_posts(new)
    changed = 0
    for post in posts:
        record = known.get(post["slug"])
        if record is not None and not _agrees(record, post):
            running.update_post(record["id"], **post)
            changed += 1
    return len(new), changed


def _first_dates(post: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A post dated in the past was also last changed then, so that each seeded CMS has the same dates."""
    published_at = post.get("published_at")
    if not isinstance(published_at, datetime) or published_at > now:
        return post
    return {"created": published_at, "updated": published_at, **post}


def _agrees(record: Mapping[str, Any], post: Mapping[str, Any]) -> bool:
    for name, value in post.items():
        has = record[name] if name in record else (record["extra"] or {}).get(name)
        wants = stored_date(value) if isinstance(value, datetime) else value
        if name != "updated" and (has or None) != (wants or None):
            return False
    return True


def _read_post(file: Path) -> tuple[dict[str, Any], str]:
    # Here and not above: whoever only starts or stops a server should not wait for the Markdown parser to load.
    from velobuild.markup import frontmatter

    meta, text = frontmatter.split(file.read_text(encoding="utf-8"), where=str(file))
    fields = {OTHER_NAMES.get(name, name): value for name, value in meta.items()}
    title = str(fields.get("title") or "")
    if not title:
        raise ContentProblem("the post has no title", code="VB3005", where=str(file), hint="add `title:` to it")
    draft = fields.pop("draft", False)
    fields["title"] = title
    fields["slug"] = str(fields.get("slug") or slugify(title) or slugify(file.stem))
    fields["status"] = str(fields.get("status") or ("draft" if draft else "published"))
    fields["tags"] = _tags(fields.get("tags"))
    for name in ("published_at", "updated"):
        if name in fields:
            fields[name] = _moment(fields[name], file, name)
    for name, longest in LONGEST.items():
        if len(str(fields.get(name) or "")) > longest:
            raise ContentProblem(f"{name} has more than {longest} characters", code="VB3005", where=str(file))
    return {name: _plain(value) for name, value in fields.items() if value is not None}, text


def _refuse_twins(files: list[Path], drafts: list[tuple[dict[str, Any], str]]) -> None:
    """Each would replace the other at every seeding."""
    first: dict[str, Path] = {}
    for file, (fields, _) in zip(files, drafts, strict=True):
        other = first.setdefault(fields["slug"], file)
        if other is not file:
            raise ContentProblem(
                f"the slug {fields['slug']!r} is that of {other.name} too",
                code="VB3005",
                where=str(file),
                hint="give one of them another slug",
            )


def _tags(value: object) -> list[str]:
    names = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    return [str(name).strip() for name in names if str(name).strip()]


def _moment(value: object, file: Path, name: str) -> datetime:
    """A day is its first moment in UTC, and so is a time without a zone in UTC."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
    except ValueError:
        pass
    raise ContentProblem(
        f"{name} is not a date: {value!r}",
        code="VB3005",
        where=str(file),
        hint="write it as 2026-05-03 or 2026-05-03T10:00:00Z",
    )


def _plain(value: Any) -> Any:
    """Front matter as JSON can carry it, times of the API's own fields aside."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def _with_body(
    file: Path,
    fields: dict[str, Any],
    text: str,
    paths: Mapping[str, str],
    alts: dict[str, str],
    warnings: list[Diagnostic],
) -> dict[str, Any]:
    from velobuild.markup.markdown import to_html

    html = to_html(text)
    tree = LexborHTMLParser(html)
    rewritten = False
    for node in tree.css(",".join(f"[{name}]" for name in LINKING)):
        for attribute in LINKING:
            name = _media_name(node.attributes.get(attribute))
            if name is None:
                continue
            if name not in paths:
                warnings.append(Diagnostic("VB4001", f"{MEDIA}{name} is not in the folder", str(file)))
                continue
            node.attrs[attribute] = paths[name]
            rewritten = True
            if node.tag == "img" and node.attributes.get("alt"):
                alts.setdefault(name, str(node.attributes["alt"]))
    if rewritten and tree.body is not None:
        html = tree.body.inner_html or ""
    return {**fields, "content_html": html}


def _media_name(url: str | None) -> str | None:
    """The path below `media/` that a link of a seeded post means: `media/x.png`, `./media/x.png` or `/media/x.png`."""
    if not url:
        return None
    path = unquote(url.partition("#")[0].partition("?")[0]).removeprefix("./").removeprefix("/")
    return path.removeprefix(MEDIA) if path.startswith(MEDIA) else None


def _seed_media(running: Running, folder: Path) -> dict[str, str]:
    """Returns, for each file's path below `media/`, the path at which the CMS serves it."""
    known = {record["filename"]: record for record in running.media()}
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        name = file.relative_to(folder).as_posix()
        if name not in known:
            running.upload_media(file, filename=name)
        elif known[name]["sha256"] != sha256(file.read_bytes()).hexdigest():
            running.replace_media(known[name]["id"], file, filename=name)
    return {record["filename"]: media_path(record) for record in running.media()}


def _describe_media(running: Running, alts: Mapping[str, str]) -> None:
    """A file without an alternative text gets that of the first picture in a post that shows it."""
    for record in running.media():
        alt = alts.get(record["filename"])
        if alt and not record["alt"]:
            running.update_media(record["id"], alt=alt)


def _read_settings(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the settings are not valid TOML: {error}", code="VB1002", where=str(file)) from error


def _seed_settings(running: Running, settings: dict[str, Any], paths: Mapping[str, str]) -> None:
    for name in ("site_logo", "site_favicon"):
        if name in settings:
            settings[name] = paths.get(_media_name(settings[name]) or "", settings[name])
    if settings:
        running.update_settings(**{name: _plain(value) for name, value in settings.items()})
