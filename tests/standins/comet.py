"""A CometCMS 0.9.8 to everybody who only reads, on a real socket: written from its contract, each oddity as a switch.

It answers byte for byte like the recorded server where there is a recording (tests/standins/captures/comet-*.json).
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

TOKEN = "ctcms_6e2aa3dea0_" + "0123456789abcdef" * 3
DAY = "2026-05-03T12:00:00Z"
UNREADABLE = ("body", "data")
SYSTEM = ("published_at", "author_id", "updated_by")
CACHE = timedelta(seconds=300)
READER = (
    {"effect": "allow", "actions": ["content.read"], "resources": ["content:*"]},
    {"effect": "allow", "actions": ["media.read"], "resources": ["media:*"]},
)
TEXT, MARKDOWN = {"type": "textarea"}, {"type": "markdown"}
TAGS = {"type": "relation", "target": "tags", "multiple": True}

# kind → (status, content type, body): what a server can say instead of what was asked for.
FAILURES: Mapping[str, tuple[int, str, Any]] = {
    "unauthorized": (401, "json", ("unauthorized", "Invalid bearer token.")),
    "forbidden": (403, "json", ("forbidden", "This token does not allow this action.")),
    "not_found": (404, "json", ("not_found", "Content entry not found.")),
    "workspace_not_found": (404, "json", ("not_found", "Workspace not found.")),
    "unscoped": (
        400,
        "json",
        ("workspace_required", "Workspace scope is required. Use /api/v1/workspaces/{slug}/..."),
    ),
    "plain_404": (404, "text", "Not found"),
    "validation_failed": (422, "json", ("validation_failed", "The entry is not valid.")),
    "csrf_mismatch": (419, "json", ("csrf_mismatch", "The form expired.")),
    "server_error": (500, "json", ("server_error", "Something went wrong.")),
    "html_500": (500, "html", "<html><body>Fatal error</body></html>"),
    "not_set_up": (503, "json", ("not_set_up", "CometCMS is not set up.")),
    "rate_limited": (429, "json", ("rate_limited", "Too many attempts.")),
    "html_200": (200, "html", "<html>Welcome</html>"),
    "redirect": (302, "text", ""),
    "cut": (200, "cut", ""),
}


def schema(name: str, fields: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A content type as the API shows it."""
    made = {
        "name": name,
        "label": name.capitalize(),
        "icon": "mdi:file-document-outline",
        "singleton": False,
        "slug_field": "slug",
        "slug_source": "title",
        "locales": [],
        "default_locale": "",
        "fields": {"title": {"type": "text", "required": True}, "slug": {"type": "slug"}, **fields},
    }
    return made | changes


@dataclass(frozen=True)
class Call:
    """One request as it arrived; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Failure:
    kind: str
    times: int
    path: str


@dataclass
class Kept:
    at: datetime
    body: bytes
    status: int


@dataclass
class File:
    """A file of the library."""

    content: bytes
    mime: str
    record: dict[str, Any] = field(default_factory=dict)


class CometStandIn:
    """One installation with one workspace. `with CometStandIn() as cms:` starts it on a free port.

    Switches: `folder` (it lies in one), `old` (0.9.6: a singleton's list is a list), `scheme` ("https": behind a proxy
    that says so), `caches` (answers to everybody are kept for five minutes with the host that asked first),
    `grants` (the token's), `withheld` (ids that a narrowed grant hides: in no list, 403 singly), `schemas_short`
    (the list of schemas leaves out their fields), `ignores_offset`, `ignores_filters`,
    `retry_after_s` (what it says beside "too many"), `archived`.
    """

    def __init__(self, workspace: str = "site-a", folder: str = "") -> None:
        self.workspace = workspace
        self.folder = folder
        self.token = TOKEN
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.types: dict[str, dict[str, Any]] = {
            "posts": schema(
                "posts",
                {
                    "summary": TEXT,
                    "content": MARKDOWN,
                    "cover": {"type": "media"},
                    "tags": TAGS,
                    "author": {"type": "relation", "target": "people"},
                },
            ),
            "tags": schema("tags", {}),
            "people": schema("people", {"email": {"type": "text"}}),
            "pages": schema("pages", {"content": {"type": "html"}}),
            "site": schema("site", {"site_name": {"type": "text"}, "tagline": TEXT}, singleton=True),
        }
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, File] = {}
        self.calls: list[Call] = []
        self.before: Callable[[Call], None] = lambda call: None
        self.old = False
        self.scheme = "http"
        self.caches = True
        self.grants: tuple[Mapping[str, Any], ...] = READER
        self.withheld: set[str] = set()
        self.schemas_short = False
        self.ignores_offset = False
        self.ignores_filters = False
        self.retry_after_s = 1
        self.archived = False
        self._failures: list[Failure] = []
        self._cache: dict[str, Kept] = {}
        self._lock = threading.RLock()
        self._made = 0
        self._counting = threading.Lock()
        self._open = 0
        self.busiest = 0
        """The most requests that waited for an answer at one moment."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one piece: two would wait for each other 40 ms

            def do_GET(self) -> None:
                stand_in._answer(self)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The installation's address: what a person writes as source.url."""
        return f"http://127.0.0.1:{self.port}{self.folder}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # What an author does.

    def put_entry(
        self,
        collection: str,
        slug: str,
        *,
        title: str | None = None,
        id: str | None = None,
        status: str = "published",
        published_at: str | None = DAY,
        created_at: str = "2026-05-01T09:30:00Z",
        updated_at: str = DAY,
        author_id: str | None = "admin",
        translations: Mapping[str, Mapping[str, Any]] | None = None,
        **data: Any,
    ) -> str:
        """Make or replace an entry and return its id. Media fields hold file names, relations slugs; `translations`
        maps a locale to a title and fields."""
        with self._lock:
            listed = self.entries.setdefault(collection, [])
            self._made += 1
            digest = blake2b(f"{collection} {self._made}".encode(), digest_size=8).digest()
            entry = {
                "id": id or base64.urlsafe_b64encode(digest).decode()[:11],
                "slug": slug,
                "status": status,
                "title": slug.replace("-", " ").capitalize() if title is None else title,
                "published_at": published_at,
                "created_at": created_at,
                "updated_at": updated_at,
                "author_id": author_id,
                "updated_by": author_id,
                "data": data,
                "translations": {code: dict(one) for code, one in (translations or {}).items()},
            }
            for number, other in enumerate(listed):
                if other["id"] == entry["id"]:
                    listed[number] = entry
                    break
            else:
                listed.append(entry)
            self._cache.clear()
            return str(entry["id"])

    def put_post(self, slug: str = "a-post", **fields: Any) -> str:
        return self.put_entry("posts", slug, **fields)

    def edit(self, id: str, *, quietly: bool = False, **changes: Any) -> None:
        """Change an entry as its editor does: its own keys, and fields of its data. `quietly` keeps the date."""
        with self._lock:
            entry = self._by_id(id)
            for name, value in changes.items():
                (entry if name in entry else entry["data"])[name] = value
            if not quietly:
                entry["updated_at"] = self.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            self._cache.clear()

    def set_status(self, id: str, status: str) -> None:
        self.edit(id, status=status)

    def delete_post(self, id: str) -> None:
        with self._lock:
            for listed in self.entries.values():
                listed[:] = [entry for entry in listed if entry["id"] != id]
            self._cache.clear()

    def put_media(self, filename: str, content: bytes, *, mime: str = "image/png", **record: Any) -> str:
        """Put a file into the library, in place of one of that name, and return its address."""
        made = {
            "category": "",
            "uploaded_by": "admin",
            "uploaded_at": "2026-05-01T08:00:00+00:00",
            "width": None,
            "height": None,
            "alt": "",
            "title": "",
            "visibility": "public",
        }
        with self._lock:
            self.files[filename] = File(content, mime, made | record)
            self._cache.clear()
        return f"{self.url}/media/{self.workspace}/{quote(filename)}"

    def put_settings(self, **data: Any) -> None:
        """The singleton `site`."""
        self.put_entry("site", "site", id="0000000site", title=data.pop("title", "Site"), **data)

    def fail_next(self, kind: str, *, times: int = 1, path: str = "") -> None:
        """Answer the next requests whose path holds `path` with one of `FAILURES`."""
        assert kind in FAILURES
        self._failures.append(Failure(kind, times, path))

    def count(self, part: str) -> int:
        return sum(part in call.path for call in self.calls)

    def _by_id(self, id: str) -> dict[str, Any]:
        return next(entry for listed in self.entries.values() for entry in listed if entry["id"] == id)

    # The server.

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.command, unquote(parts.path), dict(parse_qsl(parts.query, True)), headers)
        with self._counting:
            self._open += 1
            self.busiest = max(self.busiest, self._open)
        with self._lock:
            self.before(call)
            self.calls.append(call)
            status, kind, body, more = self._failed(call) or self._healthy(call, parts.query)
        content = body if isinstance(body, bytes) else str(body).encode()
        request.send_response_only(status)
        kinds = {"json": "application/json; charset=utf-8", "text": "text/plain", "html": "text/html"}
        request.send_header("Content-Type", kinds.get(kind, kind if "/" in kind else "application/json"))
        for name, value in more.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content) * (2 if kind == "cut" else 1)))
        if kind == "cut":
            request.send_header("Connection", "close")
            request.close_connection = True
        request.end_headers()
        if call.method != "HEAD":
            request.wfile.write(content)
        with self._counting:
            self._open -= 1

    def _failed(self, call: Call) -> tuple[int, str, Any, dict[str, str]] | None:
        for failure in self._failures:
            if failure.times > 0 and failure.path in call.path:
                failure.times -= 1
                status, kind, body = FAILURES[failure.kind]
                if kind == "json":
                    more = {"retry_after": self.retry_after_s} if status == 429 else {}
                    body = dumped({"error": {"code": body[0], "message": body[1], **more}})
                if kind == "cut":
                    body = '{"data": [{"id": "x"'
                return status, kind, body, {"Location": "https://elsewhere.example/"} if status == 302 else {}
        return None

    def _healthy(self, call: Call, raw_query: str) -> tuple[int, str, Any, dict[str, str]]:
        """(status, kind of content, content, further headers)."""
        path = call.path.removeprefix(self.folder)
        if call.method != "GET":
            return 404, "text", "Not found", {}
        for prefix in ("/media/", "/media-thumbs/"):
            if path.startswith(f"{prefix}{self.workspace}/"):
                return self._file(path.removeprefix(f"{prefix}{self.workspace}/"), call)
        if not path.startswith("/api/v1/"):
            return 404, "text", "Not found", {}
        if not path.startswith("/api/v1/workspaces/"):
            return (*_error("unscoped"), {})
        name, _, rest = path.removeprefix("/api/v1/workspaces/").partition("/")
        if name != self.workspace or self.archived:
            return (*_error("workspace_not_found"), {})
        bearer = _bearer(call)
        if bearer and bearer != self.token:
            return (*_error("unauthorized"), {})
        if bearer or not self.caches:
            return (*self._read(rest, call), {})
        key = f"{path}?{raw_query}"
        kept = self._cache.get(key)
        if kept is not None and self.now() - kept.at < CACHE:
            return kept.status, "json", kept.body, {"X-CometCMS-Cache": "HIT"}
        status, kind, body = self._read(rest, call)
        if status == 200:
            self._cache[key] = Kept(self.now(), body, status)
        return status, kind, body, {"X-CometCMS-Cache": "MISS"}

    def _read(self, rest: str, call: Call) -> tuple[int, str, Any]:
        token = bool(_bearer(call))
        match rest.split("/"):
            case ["health"]:
                return _json({"data": {"ok": True, "name": "CometCMS", "version": "0.9.8"}})
            case ["content-types"]:
                kinds = list(self.types.values())
                short = [{name: value for name, value in one.items() if name != "fields"} for one in kinds]
                return _json({"data": short if self.schemas_short else kinds})
            case ["content-types", name] if name in self.types:
                return _json({"data": self.types[name]})
            case ["media"]:
                if token and not self._allows("media.read", "media:*"):
                    return _error("forbidden")
                return self._media_list(call, token)
            case ["content", name] if name in self.types:
                return self._list(name, call, token)
            case ["content", name, key] if name in self.types:
                return self._single(name, key, call, token)
            case ["content", *_] | ["content-types", _]:
                return _error("not_found")
        return 404, "text", "Not found"

    def _allows(self, action: str, resource: str) -> bool:
        fits = [grant for grant in self.grants if action in grant["actions"] or "*" in grant["actions"]]
        fits = [one for one in fits if {resource, f"{resource.partition(':')[0]}:*", "*"} & set(one["resources"])]
        return bool(fits) and all(grant["effect"] == "allow" for grant in fits)

    def _condition(self, name: str) -> Any:
        return next((grant["conditions"][name] for grant in self.grants if name in grant.get("conditions", {})), None)

    def _list(self, name: str, call: Call, token: bool) -> tuple[int, str, Any]:
        if token and (not self._allows("content.read", f"content:{name}") or self._condition("status") is not None):
            return _error("forbidden")
        locale = self._locale(name, call)
        allowed = self._condition("locales")
        found = [
            entry
            for entry in self.entries.get(name, [])
            if (token or self._is_public(entry))
            and not (token and entry["id"] in self.withheld)
            and not (token and allowed is not None and (locale or "") not in allowed)
        ]
        if self.types[name]["singleton"] and not self.old:
            return _json({"data": self._shown(found[0], name, call, token)}) if found else _error("not_found")
        shown = [(self._shown(entry, name, call, token), entry) for entry in found]
        for key, value in call.query.items():
            if key.startswith("filter[") and not self.ignores_filters:
                shown = [pair for pair in shown if self._passes(pair, key, value)]
        sort = call.query.get("sort", "-created_at")
        field_name = sort.removeprefix("-")
        descending = sort.startswith("-") or call.query.get("order") == "desc"
        rows = [one for one, _ in shown]
        rows.sort(key=lambda row: str(row.get(field_name, _values(row).get(field_name, ""))), reverse=descending)
        return _json(_page(rows, call, ignores_offset=self.ignores_offset), field_name, descending)

    def _passes(self, pair: tuple[dict[str, Any], dict[str, Any]], key: str, wanted: str) -> bool:
        name, _, op = key.removeprefix("filter[").removesuffix("]").partition("][")
        shown, stored = pair
        if name in shown:
            value = shown[name]
        elif name in _values(shown):
            value = stored["data"].get(name)  # a relation is compared as it is stored: by slugs
        else:
            # A field that the type lacks is passed over without a word; one that is null matches nothing.
            return name not in SYSTEM
        items = [str(one) for one in (value if isinstance(value, list) else [value])]
        tests: Mapping[str, Callable[[str], bool]] = {
            "in": lambda one: one in wanted.split(","),
            "ne": lambda one: one != wanted,
            "gt": lambda one: one > wanted,
            "gte": lambda one: one >= wanted,
            "lt": lambda one: one < wanted,
            "lte": lambda one: one <= wanted,
            "contains": lambda one: wanted in one,
        }
        return any(map(tests.get(op, lambda one: one == wanted), items))

    def _single(self, name: str, key: str, call: Call, token: bool) -> tuple[int, str, Any]:
        if token and not self._allows("content.read", f"content:{name}"):
            return _error("forbidden")
        for entry in self.entries.get(name, []):
            singleton = self.types[name]["singleton"] and key == name
            if key in (entry["slug"], entry["id"]) or singleton:
                statuses, locales = self._condition("status"), self._condition("locales")
                if token and (
                    entry["id"] in self.withheld
                    or (statuses is not None and entry["status"] not in statuses)
                    or (locales is not None and (self._locale(name, call) or "") not in locales)
                ):
                    return _error("forbidden")
                if token or self._is_public(entry):
                    return _json({"data": self._shown(entry, name, call, token)})
        return _error("not_found")

    def _is_public(self, entry: Mapping[str, Any]) -> bool:
        at = entry["published_at"]
        return entry["status"] == "published" and at is not None and at <= self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _locale(self, name: str, call: Call) -> str | None:
        code = call.query.get("locale")
        return code if code in self.types[name]["locales"] else None

    def _shown(self, entry: Mapping[str, Any], name: str, call: Call, token: bool, deep: bool = True) -> dict[str, Any]:
        locale = self._locale(name, call)
        translation = entry["translations"].get(locale) if locale else None
        values = {key: value for key, value in entry["data"].items() if key not in UNREADABLE}
        title = entry["title"]
        if translation is not None:
            title = translation.get("title", title)
            values |= {key: value for key, value in translation.items() if key != "title"}
        fields = self.types[name]["fields"]
        include = call.query.get("include", "").split(",") if deep else []
        data = {
            key: self._value(value, fields.get(key, {}), call, token, deep=key in include)
            for key, value in values.items()
        }
        shown = {
            "id": entry["id"],
            "slug": entry["slug"],
            "type": name,
            "status": entry["status"],
            "title": title,
            "published_at": entry["published_at"],
            "created_at": entry["created_at"],
            "updated_at": entry["updated_at"],
            "author_id": entry["author_id"],
            "updated_by": entry["updated_by"],
            "data": data or [],
        }
        return {key: value for key, value in shown.items() if value is not None}

    def _value(self, value: Any, kind: Mapping[str, Any], call: Call, token: bool, *, deep: bool) -> Any:
        match kind.get("type"):
            case "media":
                names = value if isinstance(value, list) else [value] if value else []
                return [self._media_url(name, call) for name in names]
            case "relation":
                if isinstance(value, list):
                    found = [self._related(one, kind["target"], call, token, deep) for one in value]
                    return [one for one in found if one is not None]
                return None if value is None else self._related(value, kind["target"], call, token, deep)
            case "repeater":
                inner = {one["key"]: one for one in kind["subfields"]}
                return [
                    {key: self._value(one, inner.get(key, {}), call, token, deep=False) for key, one in item.items()}
                    for item in value or []
                ]
        return value

    def _related(self, slug: str, target: str, call: Call, token: bool, deep: bool) -> Any:
        for entry in self.entries.get(target, []):
            if entry["slug"] == slug:
                if not token and not self._is_public(entry):
                    return None
                return self._shown(entry, target, call, token, deep=False) if deep else entry["id"]
        return slug

    # Files.

    def _media_url(self, filename: str, call: Call, kind: str = "media") -> str:
        host = call.headers.get("host", "")
        return f"{self.scheme}://{host}{self.folder}/{kind}/{self.workspace}/{quote(filename)}"

    def _media_list(self, call: Call, token: bool) -> tuple[int, str, Any]:
        rows = []
        for filename, file in reversed(self.files.items()):
            if file.record["visibility"] == "private" and not token:
                continue
            record = dict(file.record)
            late = ("category", "uploaded_by", "uploaded_at", "width", "height", "alt", "title", "visibility")
            rows.append(
                {
                    "filename": filename,
                    "name": filename,
                    "url": self._media_url(filename, call),
                    "thumb_url": self._media_url(filename, call, "media-thumbs"),
                    "size": record.pop("size", len(file.content)),
                    "mime": file.mime,
                    "thumb": {"max_size": 512, "mime": "image/jpeg"} if file.mime.startswith("image/") else None,
                    **{name: record[name] for name in late},
                    **{name: value for name, value in record.items() if name not in late},
                }
            )
        answer = _page(rows, call, ignores_offset=self.ignores_offset)
        answer["meta"]["categories"] = []
        return 200, "json", dumped(answer)

    def _file(self, filename: str, call: Call) -> tuple[int, str, Any, dict[str, str]]:
        file = self.files.get(filename)
        if file is None:
            return 404, "text", "Not found", {}
        if file.record["visibility"] == "private":
            if _bearer(call) != self.token:
                return (*_error("unauthorized"), {})
            if not self._allows("media.read", "media:*"):
                return (*_error("forbidden"), {})
        return 200, file.mime, file.content, {}


def _bearer(call: Call) -> str:
    kind, _, token = call.headers.get("authorization", "").partition(" ")
    return token if kind.lower() == "bearer" else ""


def _values(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row["data"] if isinstance(row["data"], dict) else {}


def _page(rows: list[dict[str, Any]], call: Call, *, ignores_offset: bool) -> dict[str, Any]:
    offset = 0 if ignores_offset else max(int(call.query.get("offset", "0")), 0)
    shown = rows[offset:]
    limit = len(shown)
    if "limit" in call.query:
        limit = max(int(call.query["limit"]), 1)
        shown = shown[:limit]
    return {"data": shown, "meta": {"total": len(rows), "limit": limit, "offset": offset}}


def _json(answer: dict[str, Any], sort: str | None = None, descending: bool = True) -> tuple[int, str, Any]:
    if sort is not None:
        answer["meta"] |= {"sort": sort, "order": "desc" if descending else "asc"}
    return 200, "json", dumped(answer)


def _error(kind: str) -> tuple[int, str, Any]:
    status, _, (code, message) = FAILURES[kind]
    return status, "json", dumped({"error": {"code": code, "message": message}})


def dumped(answer: Any) -> bytes:
    """JSON as the recorded server writes it, to the byte."""
    return json.dumps(answer, indent=2, ensure_ascii=False).encode() + b"\n"
