"""The site's own Markdown pages (about.md): read from its folder at every build."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from velobuild.errors import ContentProblem, OutputError
from velobuild.markup.frontmatter import split
from velobuild.model.entries import Collection, Delta, Page, slugify
from velobuild.model.keys import fingerprint
from velobuild.sources.page_files import page_files

HEADING = re.compile(r"\A\s*#[ \t]+(?P<title>[^\n]+?)[ \t]*#*[ \t]*(?:\n|\Z)")
NAMED = frozenset({"title", "description", "template", "path", "slug", "draft"})


def read_pages(folder: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> Delta:
    """Every page below `folder`, as one complete delta; a draft is left out. A missing folder holds no page.

    A page's address is its place below the folder, or `path` in its front matter; its title is `title`, else a first
    heading, else the file's name. Raises ContentProblem VB3005 for front matter that cannot be read.
    """
    pages: dict[str, Page] = {}
    versions: dict[str, str] = {}
    for file in page_files(folder):
        page, draft = _read(file, folder, read)
        if draft:
            continue
        if page.id in pages:
            raise ContentProblem(
                f"two pages want the address /{page.path}/",
                code="VB3003",
                where=str(file),
                hint="give one of them another `path` in its front matter",
            )
        pages[page.id] = page
        versions[page.id] = fingerprint(
            [page.title, page.description, page.template, page.body, dict(page.extra)]
        ).hex()
    return Delta(Collection.PAGES, upserts=tuple(pages.values()), versions=versions, complete=True)


def _read(file: Path, folder: Path, read: Callable[[Path], bytes]) -> tuple[Page, bool]:
    try:
        text = read(file).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ContentProblem(
            "the page is not UTF-8 text", code="VB3005", where=str(file), hint="save the file as UTF-8"
        ) from error
    except OSError as error:
        raise OutputError(f"a page cannot be read: {error}", code="VB6002", where=str(file)) from error
    front, body = split(text, where=str(file))
    heading = HEADING.match(body)
    title = front.get("title")
    if title is None and heading:
        title, body = heading["title"], body[heading.end() :]
    parts = [slugify(part) for part in file.relative_to(folder).with_suffix("").parts]
    path = str(front.get("path") or front.get("slug") or "/".join(parts)).strip("/")
    if any(part in {"", ".", ".."} for part in path.split("/")) or any(char in path for char in "\\\0\n?#"):
        raise ContentProblem(
            f"a page cannot be published at {path!r}",
            code="VB3005",
            where=str(file),
            hint="write a `path` such as `about` or `about/team`",
        )
    page = Page(
        id=f"/{path}",
        path=path,
        title=str(title or file.stem.replace("-", " ").capitalize()),
        body=body,
        description=_text(front.get("description")),
        template=_text(front.get("template")),
        extra={key: str(value) for key, value in front.items() if key not in NAMED},
    )
    return page, bool(front.get("draft"))


def _text(value: object) -> str | None:
    return str(value) if value else None
