"""A PolyCMS on a real socket, made from its contract: no package brings the real one, so it must be stood in for.

It answers as the Laravel application does, oddities and all: the numbers of a list as pairs, `[]` for an empty object,
`links.next` without one's own parameters, drafts for anybody who does not ask for published posts, four shapes of
errors. Each further oddity has a switch, an attribute of `PolyStandIn`. `OldPolyStandIn` is the add-on generation, of
which there are documents alone; its envelope is therefore a switch as well.
"""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
TOKEN = "7|q3RmPz5vN8sLkT1wXyB2"
KEY = "pcms_4fA9kL2mN7"
BEGAN = datetime(2026, 5, 1, 9, 12, 44, tzinfo=UTC)


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


def iso(moment: datetime | None) -> str | None:
    """As Laravel writes dates: microseconds and `Z`."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def failure(code: str, message: str, status: int) -> Reply:
    """The controllers' own envelope."""
    return Reply(status, {"data": None, "error": {"code": code, "message": message, "details": None}, "meta": []})


# What `fail_next` can make the next answer be.
FAILURES: Mapping[str, Reply] = {
    "controller 401": failure("UNAUTHORIZED", "Unauthorized", 401),
    "controller 403": failure("FORBIDDEN", "Forbidden", 403),
    "controller 404": failure("NOT_FOUND", "Resource not found", 404),
    "controller 422": failure("VALIDATION_ERROR", "The given data was invalid.", 422),
    "laravel 401": Reply(401, {"message": "Unauthenticated."}),
    "laravel 404": Reply(404, {"message": "No query results for model [App\\Models\\Post] 7"}),
    "laravel route": Reply(404, {"message": "The route api/v1/posts could not be found."}),
    "laravel 422": Reply(422, {"message": "The per page field is wrong.", "errors": {"per_page": ["wrong"]}}),
    "laravel 500": Reply(500, {"message": "Server Error"}),
    "success 403": Reply(403, {"success": False, "message": "Forbidden"}),
    "html 503": Reply(503, "<!DOCTYPE html><title>Service Unavailable</title>"),
    "html 404": Reply(404, "<!DOCTYPE html><title>Not Found</title>"),
    "html 200": Reply(200, "<!DOCTYPE html><title>Install PolyCMS</title>"),
    "login 302": Reply(302, "", {"Location": "/account/login"}),
    "elsewhere 302": Reply(302, "", {"Location": "https://elsewhere.example/api/v1/posts"}),
    "limited": Reply(429, {"message": "Too Many Attempts."}, {"Retry-After": "1"}),
    "limited for long": Reply(429, {"message": "Too Many Attempts."}, {"Retry-After": "86400"}),
    "cut": Reply(200, {"data": []}, cut=True),
}


class PolyStandIn:
    """Contents, switches and calls of one server. `with PolyStandIn() as cms:` starts it on a free port."""

    base = "/api/v1"
    token = TOKEN

    def __init__(self) -> None:
        self.posts: dict[int, Json] = {}
        self.media: dict[int, Json] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.tags: dict[str, Json] = {}
        self.categories: dict[str, Json] = {}
        self.authors: dict[str, Json] = {}
        self.settings: dict[str, dict[str, Any]] = {"general": {}, "mail": {"smtp_password": "hunter2hunter2"}}
        self.calls: list[Call] = []
        self.tokens = {self.token}
        self.may_read = {"media", "settings"}
        self.admin = False
        self.believed_host: str | None = None
        """The host that the CMS believes to be its own, as behind a proxy that does not say."""
        self.ignores_status = False
        self.broken: set[int] = set()
        """Posts whose author is gone: each makes every whole list with it, and itself, a 500."""
        self.counts_views = True
        self.per_page_max = 100
        self.before: Callable[[Call], None] = lambda call: None
        self.rewritten: Callable[[bytes], bytes] = lambda raw: raw
        """The last word on the bytes of a JSON answer."""
        self.routed: Callable[[Call], Reply | None] = lambda call: None
        """What answers in place of PolyCMS, where it is not None."""
        self._failures: list[tuple[str, Reply]] = []
        self._now = BEGAN
        self._ids = 0
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    # What stands behind the test: authors, editors, the operator.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def site(self) -> str:
        """The same, as other stand-ins call it."""
        return self.url

    @property
    def host(self) -> str:
        return self.believed_host or self.url

    def put_post(self, **fields: Any) -> str:
        """Make a post, or change the one of this `id`. `tags`, `categories` and `author` are names. Returns the id."""
        with self._lock:
            id = int(fields.pop("id", 0)) or self._next()
            post = self.posts.setdefault(id, self._new_post(id))
            for name, known in (("tags", self.tags), ("categories", self.categories)):
                if name in fields:
                    post[name] = [self._term(known, term) for term in fields.pop(name)]
            if "author" in fields:
                post["author"] = self._author(fields.pop("author"))
            post |= {"updated_at": self._tick()} | fields
            return str(id)

    def set_status(self, id: str, status: str) -> None:
        self.put_post(id=id, status=status)

    def delete_post(self, id: str) -> None:
        with self._lock:
            del self.posts[int(id)]

    def rename_tag(self, old: str, new: str) -> None:
        """As in PolyCMS: no post's date of change tells of it."""
        with self._lock:
            self.tags[new] = self.tags.pop(old)
            self.tags[new] |= {"name": new}

    def put_media(self, name: str, content: bytes, *, mime_type: str = "image/png", **fields: Any) -> str:
        """Upload a file. Returns its address, as a body uses it: without a host."""
        with self._lock:
            id = self._next()
            path = f"media/2026/05/{name}"
            self.files[f"/storage/{path}"] = (mime_type, content)
            self.media[id] = {
                "id": id,
                "name": name.rsplit(".", 1)[0],
                "file_name": name,
                "mime_type": mime_type,
                "disk": "public",
                "path": path,
                "size": len(content),
                "type": mime_type.split("/")[0],
                "alt_text": None,
                "caption": None,
                "description": None,
                "metadata": None,
                "width": None,
                "height": None,
                "uploader": {"id": 2, "name": "Mia"},
                "created_at": self._tick(),
                "updated_at": iso(self._now),
            } | fields
            return f"/storage/{path}"

    def put_settings(self, **values: Any) -> None:
        """Of the group `general`."""
        self.settings["general"] |= values

    def fail_next(self, kind: str, path: str = "", times: int = 1) -> None:
        """The next `times` calls whose path ends in `path` get this answer, one of `FAILURES`."""
        self._failures += [(path, FAILURES[kind])] * times

    def count(self, ending: str) -> int:
        return sum(call.path.endswith(ending) for call in self.calls)

    # The records.

    def _new_post(self, id: int) -> Json:
        return {
            "id": id,
            "title": f"Post {id}",
            "slug": f"post-{id}",
            "type": "post",
            "status": "published",
            "layout": "default",
            "layout_template_id": None,
            "template_theme": None,
            "excerpt": None,
            "content_raw": None,
            "content_html": f"<p>Body {id}</p>",
            "published_at": "2026-05-03T10:00:00.000000Z",
            "scheduled_at": None,
            "meta": {"title": None, "description": None, "keywords": None, "og_image": None},
            "meta_fields": [],
            "featured_image": None,
            "show_featured_image": True,
            "layout_template": {"id": None, "name": None, "slug": None},
            "views": 0,
            "order": 0,
            "author": self._author("Mia"),
            "categories": [],
            "tags": [],
            "created_at": self._tick(),
            "updated_at": iso(self._now),
        }

    def _author(self, name: str) -> Json:
        return self.authors.setdefault(
            name, {"id": len(self.authors) + 2, "name": name, "email": f"{name.lower()}@cms.example"}
        )

    def _term(self, known: dict[str, Json], name: str) -> Json:
        if name in known:
            return known[name]
        slug = name.lower().replace(" ", "-")
        term: Json = {"id": self._next(), "name": name, "slug": slug, "frontend_url": None, "description": None}
        term |= {"type": None, "created_at": iso(BEGAN), "updated_at": iso(BEGAN)}
        if known is self.categories:
            term |= {"frontend_url": f"/categories/{slug}", "type": "post", "summary": None, "parent_id": None}
            term |= {"image": None, "order": 0, "template_theme": None, "meta": [], "posts_count": 0}
        return known.setdefault(name, term)

    def _next(self) -> int:
        self._ids += 1
        return self._ids

    def _tick(self) -> str:
        """Laravel keeps whole seconds."""
        self._now += timedelta(seconds=7)
        return iso(self._now) or ""

    # The answers.

    def answer(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            self.before(call)
            for number, (path, reply) in enumerate(self._failures):
                if call.path.endswith(path):
                    del self._failures[number]
                    return reply
            other = self.routed(call)
            if other is not None:
                return other
            if call.path in self.files:
                return Reply(200, self.files[call.path][1], {"Content-Type": self.files[call.path][0]})
            if not call.path.startswith(f"{self.base}/"):
                return Reply(404, "<!DOCTYPE html><title>Not Found</title>")
            if call.headers.get("accept") != "application/json":
                return Reply(302, "", {"Location": "/account/login"})
            return self._routed(call, call.path.removeprefix(f"{self.base}/").split("/"))

    def _routed(self, call: Call, parts: list[str]) -> Reply:
        match parts:
            case ["posts"]:
                return self._posts(call)
            case ["posts", id]:
                return self._post(id)
            case ["categories"]:
                return envelope(list(self.categories.values()))
            case ["post-tags"]:
                # With `per_page` the list is cut, and nothing says so.
                rows = list(self.tags.values())
                return envelope(rows[: int(call.query["per_page"])] if "per_page" in call.query else rows)
            case ["public", "settings"]:
                return Reply(200, {"success": True, "data": self._public_settings()})
        if not self._knows(call):
            return FAILURES["laravel 401"]
        match parts:
            case ["auth", "me"]:
                return envelope({"id": 2, "name": "Builder", "email": "builder@cms.example"})
            case ["webhooks"]:
                return envelope([]) if self.admin else FAILURES["success 403"]
            case ["media"]:
                return self._media(call) if "media" in self.may_read else FAILURES["controller 403"]
            case ["settings"] if "settings" in self.may_read:
                return Reply(200, {"success": True, "data": self._settings()})
            case ["settings"]:
                return FAILURES["success 403"]
        return Reply(404, {"message": f"The route {call.path.lstrip('/')} could not be found."})

    def _knows(self, call: Call) -> bool:
        return call.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens

    def _posts(self, call: Call) -> Reply:
        query = call.query
        rows = [post for post in self.posts.values() if self._wanted(post, query)]
        column, direction = query.get("sort_by", "created_at"), query.get("sort_order", "desc")
        if direction not in ("asc", "desc") or any(column not in post for post in rows):
            return FAILURES["laravel 500"]
        rows.sort(key=lambda post: (post[column] is not None, post[column]), reverse=direction == "desc")
        page, per_page = int(query.get("page", "1")), min(int(query.get("per_page", "15")), self.per_page_max)
        shown = rows[(page - 1) * per_page : page * per_page]
        compact = query.get("compact") in ("1", "true")
        if not compact and any(post["id"] in self.broken for post in shown):
            return FAILURES["laravel 500"]
        last = max(-(-len(rows) // per_page), 1)
        whole = {"current_page": page, "last_page": last, "per_page": per_page, "total": len(rows)}
        path = f"{self.host}{self.base}/posts"
        meta = {
            # The collection adds its own numbers, and merging makes pairs of what both have.
            **{name: number if compact else [number, number] for name, number in whole.items()},
            "from": (page - 1) * per_page + 1 if shown else None,
            "links": [{"url": None, "label": "&laquo; Previous", "active": False}],
            "path": path,
            "to": (page - 1) * per_page + len(shown) if shown else None,
        }
        links = {
            "first": f"{path}?page=1",
            "last": f"{path}?page={last}",
            "prev": f"{path}?page={page - 1}" if page > 1 else None,
            "next": f"{path}?page={page + 1}" if page < last else None,
        }
        rows_shown = [short(post, broken=post["id"] in self.broken) if compact else self._shown(post) for post in shown]
        return Reply(200, {"data": rows_shown, "links": links, "meta": meta})

    def _wanted(self, post: Json, query: Mapping[str, str]) -> bool:
        status = None if self.ignores_status else query.get("status")
        return status in (None, post["status"]) and query.get("type") in (None, post["type"])

    def _post(self, id: str) -> Reply:
        if not id.isdigit() or int(id) not in self.posts:
            return FAILURES["laravel 404"]
        if int(id) in self.broken:
            return FAILURES["laravel 500"]
        return envelope(self._shown(self.posts[int(id)]))

    def _shown(self, post: Json) -> Json:
        post["views"] += self.counts_views
        shown = {**post, "frontend_url": f"/posts/{post['slug']}"}
        for name in ("featured_image",):
            shown[name] = self._full(post[name])
        shown["meta"] = {**post["meta"], "og_image": self._full(post["meta"]["og_image"])}
        return shown

    def _full(self, address: str | None) -> str | None:
        return f"{self.host}{address}" if address and address.startswith("/storage/") else address

    def _media(self, call: Call) -> Reply:
        page, per_page = int(call.query.get("page", "1")), min(int(call.query.get("per_page", "15")), 100)
        rows = [
            {
                **item,
                "url": self._served(item),
            }
            for item in self.media.values()
        ]
        pagination = {
            "total": len(rows),
            "per_page": per_page,
            "current_page": page,
            "last_page": max(-(-len(rows) // per_page), 1),
        }
        shown = rows[(page - 1) * per_page : page * per_page]
        body = {"data": shown, "folders": ["2026"], "error": None, "meta": {"pagination": pagination}}
        return Reply(200, {**body, "message": "Success"})

    def _served(self, item: Json) -> str:
        """By the disk: the web server's, only with a token, or the address that the cloud gave."""
        where = {
            "public": f"{self.host}/storage/{item['path']}",
            "private": f"{self.host}{self.base}/media/{item['id']}/serve",
        }
        return where.get(item["disk"]) or str(item["url"])

    def _settings(self) -> Json:
        return {
            group: {name: setting(name, value, group) for name, value in values.items()}
            for group, values in self.settings.items()
        }

    def _public_settings(self) -> Json:
        general = self.settings["general"]
        named = {
            name: setting(name, general[name], "general") if name in general else default
            for name, default in (("brand_name", "PolyCMS"), ("brand_logo", ""))
        }
        return {"version": "1.0.0", "laravel_version": "12.37.0", "general": named, "auth_appearance": {}}

    # The server.

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class OldPolyStandIn(PolyStandIn):
    """The older generation: every call needs the key; `envelope` is how lists and single posts are wrapped."""

    base = "/cms/api/v1"
    token = KEY

    def __init__(self) -> None:
        super().__init__()
        self.envelope: Literal["data", "items", "posts", "bare", "numbered"] = "data"
        self.pages: dict[int, Json] = {}

    def put_page(self, **fields: Any) -> str:
        """Pages are apart here, in a table of their own."""
        id = self._next()
        self.pages[id] = self._new_post(id) | fields
        return str(id)

    def _knows(self, call: Call) -> bool:
        return call.headers.get("x-polycms-api-key") in self.tokens

    def _routed(self, call: Call, parts: list[str]) -> Reply:
        if not self._knows(call):
            return FAILURES["laravel 401"]
        match parts:
            case ["pages"]:
                rows = [self._old(post) for post in self.pages.values() if self._wanted(post, call.query)]
                return self._list(rows, call, "pages")
            case ["posts"]:
                rows = [self._old(post) for post in self.posts.values() if self._wanted(post, call.query)]
                return self._list(rows, call, "posts")
            case ["posts", id] if id.isdigit() and int(id) in self.posts:
                return Reply(200, {"data": self._old(self.posts[int(id)])})
            case ["media"]:
                return self._list([self._old_media(item) for item in self.media.values()], call, "media")
        return FAILURES["controller 404"]

    def _wanted(self, post: Json, query: Mapping[str, str]) -> bool:
        return query.get("status") in (None, post["status"])

    def _old(self, post: Json) -> Json:
        names = ("id", "title", "slug", "status", "excerpt", "tags", "categories", "author", "published_at")
        return {name: post[name] for name in (*names, "created_at", "updated_at")} | {
            "content": post["content_html"],
            "featured_image": self._full(post["featured_image"]),
        }

    def _old_media(self, item: Json) -> Json:
        names = ("path", "alt_text", "caption", "mime_type", "size", "width", "height")
        return {name: item[name] for name in names} | {
            "filename": item["file_name"],
            "media_id": item["id"],
            "url": f"{self.host}/storage/{item['path']}",
            "author": "Mia",
        }

    def _list(self, rows: list[Json], call: Call, resource: str) -> Reply:
        page, per_page = int(call.query.get("page", "1")), min(int(call.query.get("per_page", "10")), 100)
        shown = rows[(page - 1) * per_page : page * per_page]
        if self.envelope == "bare":
            return Reply(200, shown)
        body: Json = {resource if self.envelope == "posts" else "items" if self.envelope == "items" else "data": shown}
        if self.envelope == "numbered":
            pages = -(-len(rows) // per_page)
            body["meta"] = {"page": page, "per_page": str(per_page), "total": str(len(rows)), "last_page": pages}
        return Reply(200, body)


def envelope(data: Any) -> Reply:
    return Reply(200, {"data": data, "error": None, "meta": [], "message": "Success"})


def setting(name: str, value: Any, group: str) -> Json:
    return {"key": name, "value": value, "type": "string", "label": name, "description": None, "group": group}


def short(post: Json, *, broken: bool) -> Json:
    """A row of the compact list."""
    author = post["author"]
    names = ("id", "title", "slug", "type", "status", "published_at", "created_at", "updated_at")
    return {name: post[name] for name in names} | {
        "frontend_url": f"/posts/{post['slug']}",
        "user": None if broken else {"id": author["id"], "name": author["name"]},
    }


def server_html(document: Json) -> str:
    """The HTML that PolyCMS's server makes of a document when a post is saved, with all that it loses."""
    return "".join(_server_node(node) for node in document.get("content", []))


MARKS = {"bold": "strong", "italic": "em", "strike": "s", "underline": "u"}


def _server_node(node: Json) -> str:
    kind, attrs = node.get("type"), node.get("attrs", {})
    inside = "".join(_server_node(inner) for inner in node.get("content", []))
    match kind:
        case "text":
            shown = html.escape(node["text"], quote=False)
            for mark in node.get("marks", []):
                if mark["type"] == "link":
                    shown = f'<a href="{html.escape(mark["attrs"]["href"])}">{shown}</a>'
                elif mark["type"] in MARKS:
                    shown = f"<{MARKS[mark['type']]}>{shown}</{MARKS[mark['type']]}>"
            return shown
        case "paragraph":
            return f"<p>{inside}</p>"
        case "heading":
            return f"<h{attrs['level']}>{inside}</h{attrs['level']}>"
        case "bulletList":
            return f"<ul>{inside}</ul>"
        case "orderedList":
            return f"<ol>{inside}</ol>"
        case "listItem":
            return f"<li>{inside}</li>"
        case "horizontalRule":
            return "<hr>"
        case "hardBreak":
            return "<br>"
        case "image":
            source = attrs.get("src") or attrs.get("url") or f"/media/{attrs.get('media_id')}"
            return f'<img src="{html.escape(source)}" alt="{html.escape(attrs.get("alt") or "")}">'
        case "landingBlock":
            return f"<!-- Missing renderer for landing block type: {attrs.get('type')} -->"
    if "data" in node:
        return f"<!-- Missing renderer for landing block type: {kind} -->"
    return f"<!-- Unknown block type: {kind} -->"


def _handler(cms: PolyStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(cms.answer(Call(self.command, url.path, query, headers)))

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names that http.server asks for

        def _send(self, reply: Reply) -> None:
            kind = "application/json"
            if isinstance(reply.body, bytes):
                raw = reply.body
            elif isinstance(reply.body, str):
                raw, kind = reply.body.encode(), "text/html; charset=UTF-8"
            else:
                raw = cms.rewritten(json.dumps(reply.body, ensure_ascii=True).replace("/", "\\/").encode())
            self.send_response(reply.status)
            for name, value in {"Content-Type": kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw) + (9 if reply.cut else 0)))
            self.end_headers()
            self.wfile.write(raw)
            self.close_connection = self.close_connection or reply.cut

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: tests look at `calls`."""

    return Handler
