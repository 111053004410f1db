"""One small blog, written into each kind of CMS as its authors would, and built from there by the command line."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.judges.blog_text import AUTHOR, PICTURES, POSTS, TAGLINE, TITLE, Entry, as_blocks, as_html, as_markdown
from tests.pocketbase_servers import pocketbase as pocketbase_server
from tests.standins.comet import CometStandIn
from tests.standins.polycms import PolyStandIn, iso, server_html
from velobuild.devcms import GENEROUS, DevCms
from velobuild.devcms.records import stored_date

TOKEN = "BLOG_TOKEN"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where the blog lies: what velobuild.toml says of it beside the kind, and the token."""

    source: Mapping[str, Any] = field(default_factory=dict)
    site: Mapping[str, str] = field(default_factory=dict)
    token: str = ""


def drawn(name: str) -> bytes:
    """One of `PICTURES`, the same bytes each time."""
    colour, size, _ = PICTURES[name]
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).ellipse((20, 20, size[0] - 20, size[1] - 20), fill="#f4efe6")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@contextmanager
def in_velocms(folder: Path) -> Iterator[Loaded]:
    with DevCms(folder / "data").start(deliver=False) as cms:
        cms.set_switches(GENEROUS)
        cms.update_settings(site_name=TITLE, site_description=TAGLINE)
        ids: dict[str, str] = {}
        for name, (_, _, alt) in PICTURES.items():
            (folder / name).write_bytes(drawn(name))
            ids[name] = cms.upload_media(folder / name, alt=alt)
        for post in POSTS:
            cms.create_post(
                slug=post.slug,
                title=post.title,
                tags=list(post.tags),
                excerpt=post.excerpt or None,
                published_at=post.at,
                updated=post.at,
                content_html=as_html(post.parts, lambda name: cms.media_path(ids[name])),
                **({"cover_media_id": ids[post.cover]} if post.cover else {}),
            )
        # Version 1 of its API names no author.
        yield Loaded({"url": cms.url}, token=cms.create_key("blog"))


@contextmanager
def in_pocketbase(folder: Path) -> Iterator[Loaded]:
    dates = {"created": "date", "updated": "date"}
    words = dict.fromkeys(("title", "slug", "excerpt", "author"), "text")
    with pocketbase_server(folder, "0.40") as server:
        kinds = {"file": "file", "filename": "text", "alt": "text"}
        media = server.collection("media", kinds, rule="")
        cover = {"type": "relation", "collectionId": media, "maxSelect": 1}
        body = {"status": "select", "content_html": "editor", "tags": "json", "published_at": "date", "cover": cover}
        server.collection("posts", {**words, **body, **dates}, rule='status = "published"', dated=False)
        server.collection("site_settings", {"site_name": "text", "site_description": "text"}, rule="")
        server.create("site_settings", site_name=TITLE, site_description=TAGLINE)
        made = {
            name: server.upload("media", "file", name, drawn(name), alt=alt, filename=name)
            for name, (_, _, alt) in PICTURES.items()
        }
        for post in POSTS:
            at = stored_date(post.at)
            server.create(
                "posts",
                slug=post.slug,
                title=post.title,
                tags=list(post.tags),
                excerpt=post.excerpt,
                author=AUTHOR,
                status="published",
                published_at=at,
                created=at,
                updated=at,
                content_html=as_html(
                    post.parts, lambda name: f"/api/files/media/{made[name]['id']}/{made[name]['file']}"
                ),
                cover=made[post.cover]["id"] if post.cover else "",
            )
        yield Loaded({"url": server.url}, token=server.reader_token())


@contextmanager
def in_polycms(folder: Path) -> Iterator[Loaded]:
    with PolyStandIn() as cms:
        cms.put_settings(site_title=TITLE, tagline=TAGLINE)
        paths = {name: cms.put_media(name, drawn(name), alt_text=alt) for name, (_, _, alt) in PICTURES.items()}
        ids = {item["file_name"]: id for id, item in cms.media.items()}
        for post in POSTS:
            document = as_blocks(post.parts, lambda name: {"media_id": ids[name]})
            cms.put_post(
                slug=post.slug,
                title=post.title,
                tags=list(post.tags),
                excerpt=post.excerpt or None,
                author=AUTHOR,
                published_at=iso(post.at),
                updated_at=iso(post.at),
                content_raw=document,
                content_html=server_html(document),
                featured_image=paths[post.cover] if post.cover else None,
            )
        yield Loaded({"url": cms.url}, token=cms.token)


@contextmanager
def in_cometcms(folder: Path) -> Iterator[Loaded]:
    with CometStandIn() as cms:
        cms.put_settings(site_name=TITLE, tagline=TAGLINE)
        cms.put_entry("people", "mia", title=AUTHOR)
        paths = {name: cms.put_media(name, drawn(name), alt=alt) for name, (_, _, alt) in PICTURES.items()}
        terms = {tag: f"tag-{number}" for number, tag in enumerate(sorted({t for p in POSTS for t in p.tags}))}
        for tag, slug in terms.items():
            cms.put_entry("tags", slug, title=tag)
        for post in POSTS:
            at = post.at.strftime("%Y-%m-%dT%H:%M:%SZ")
            cms.put_post(
                post.slug,
                title=post.title,
                tags=[terms[tag] for tag in post.tags],
                summary=post.excerpt,
                author="mia",
                published_at=at,
                updated_at=at,
                content=as_markdown(post.parts, paths.__getitem__),
                **({"cover": [post.cover]} if post.cover else {}),
            )
        roles = {"tags": "tags", "authors": "people", "settings": "site"}
        names = {"description": "tagline"}
        yield Loaded({"url": cms.url, "workspace": cms.workspace, "collections": roles, "settings_fields": names})


@contextmanager
def in_a_folder(folder: Path) -> Iterator[Loaded]:
    place = folder / "posts"
    place.mkdir(parents=True)
    for name in PICTURES:
        (place / name).write_bytes(drawn(name))
    for post in POSTS:
        (place / f"{post.slug}.md").write_text(f"{_front(post)}\n{as_markdown(post.parts, lambda name: name)}", "utf-8")
    # A folder has no settings: they stand in velobuild.toml.
    yield Loaded({"path": str(place)}, {"title": TITLE, "description": TAGLINE})


def _front(post: Entry) -> str:
    fields: dict[str, Any] = {"title": post.title, "date": post.at.isoformat(), "author": AUTHOR}
    fields |= {"tags": list(post.tags)} | ({"excerpt": post.excerpt} if post.excerpt else {})
    if post.cover:
        fields |= {"cover": post.cover, "cover_alt": PICTURES[post.cover][2]}
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


BLOGS: Mapping[str, Callable[[Path], AbstractContextManager[Loaded]]] = {
    "velocms": in_velocms,
    "pocketbase": in_pocketbase,
    "polycms": in_polycms,
    "cometcms": in_cometcms,
    "folder": in_a_folder,
}


def built(kind: str, folder: Path, **more: Mapping[str, Any]) -> Path:
    """The site, built by `velobuild build` from a CMS that is gone afterwards: its folder. Warnings fail it.

    `more` are further sections of velobuild.toml.
    """
    root = folder / "site"
    root.mkdir(parents=True)
    with BLOGS[kind](_made(folder / "cms")) as loaded:
        source = {"type": kind, "rate_limit": "1000/s", **loaded.source}
        if loaded.token:
            source["token_env"] = TOKEN
        sections = {"site": {"base_url": "https://blog.example", **loaded.site}, "source": source, **more}
        (root / "velobuild.toml").write_text(_toml(sections), "utf-8")
        environment = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "PATH": os.environ["PATH"]}
        if loaded.token:
            environment[TOKEN] = loaded.token
        command = [sys.executable, "-m", "velobuild", "build"]
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr, ended.stderr
    return root


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    lines: list[str] = []
    for name, values in sections.items():
        tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items() if k not in tables)]
        for key, table in tables.items():
            lines += [f"[{name}.{key}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"
