"""What can be done with a running development CMS, as its superuser."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from velobuild.devcms.admin import Admin, quoted
from velobuild.devcms.records import (
    EVENTS,
    READ_SCOPES,
    SCOPES,
    SETTINGS_FIELDS,
    ApiKey,
    Delivery,
    LoggedRequest,
    Webhook,
    check_address,
    media_path,
    post_columns,
    stored_date,
    upload_fields,
)
from velobuild.devcms.switches import Switches
from velobuild.errors import ConfigError
from velobuild.model.entries import slugify
from velobuild.model.ports import Clock, utc_now

POSTS_PER_CALL = 500


class Running:
    """A running server. As a context manager it stops the server at the end."""

    def __init__(
        self,
        *,
        url: str,
        port: int,
        pid: int,
        email: str,
        password: str,
        stop: Callable[[], object],
        clock: Clock = utc_now,
    ) -> None:
        self.url = url
        self.port = port
        self.pid = pid
        self.dashboard_url = f"{url}/_/"
        self.email = email
        self.password = password
        self.admin = Admin(url, email, password)
        self._stop = stop
        self._clock = clock

    def __repr__(self) -> str:
        return f"Running(url={self.url!r}, pid={self.pid})"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server's processes. The content stays."""
        self.close()
        self._stop()

    def close(self) -> None:
        """Let go of the connection; the server goes on."""
        self.admin.close()

    # Keys

    def create_key(self, name: str, scopes: Sequence[str] = READ_SCOPES) -> str:
        """Returns `velo_<64 hex>`: only its SHA-256 reaches the server, so it is never to be had again.

        Raises: ConfigError, for an unknown scope, a name that is in use, or one that is empty or more than a line.
        """
        if not name.strip() or not name.isprintable():
            raise ConfigError(
                "a key needs a name of one line", code="VB1107", hint="name it after who will use it, such as my-site"
            )
        for scope in scopes:
            if scope not in SCOPES:
                raise ConfigError(
                    f"there is no scope {scope!r}", code="VB1107", hint="the scopes are: " + ", ".join(SCOPES)
                )
        if self._live_keys(name):
            raise ConfigError(
                f"a key named {name!r} exists", code="VB1502", hint="choose another name, or revoke that one first"
            )
        key = "velo_" + secrets.token_hex(32)
        sha256 = hashlib.sha256(key.encode()).hexdigest()
        self.admin.create("api_keys", {"name": name, "sha256": sha256, "scopes": list(scopes)})
        return key

    def revoke_key(self, name: str) -> None:
        """From its next call on the key gets 401. Raises: ConfigError, if there is no such key."""
        live = self._live_keys(name)
        if not live:
            raise ConfigError(f"there is no key named {name!r}", code="VB1502", hint="see `velobuild cms key list`")
        for record in live:
            self.admin.update("api_keys", record["id"], {"revoked_at": stored_date(self._clock())})

    def api_keys(self) -> list[ApiKey]:
        """Oldest first, revoked ones too."""
        return [
            ApiKey(record["name"], tuple(record["scopes"] or ()), record["created"], bool(record["revoked_at"]))
            for record in self.admin.records("api_keys")
        ]

    def _live_keys(self, name: str) -> list[dict[str, Any]]:
        return self.admin.records("api_keys", f'name = {quoted(name)} && revoked_at = ""')

    def create_reader_token(self, valid_s: int = 365 * 86400) -> str:
        """A read-only token for PocketBase's own API: it impersonates a user who may read and not write."""
        email = "reader@velobuild.example"
        found = self.admin.records("users", f"email = {quoted(email)}")
        if found:
            id = found[0]["id"]
        else:
            password = secrets.token_urlsafe(24)
            user = {"email": email, "password": password, "passwordConfirm": password, "verified": True}
            id = self.admin.create("users", user)
        asked = {"duration": valid_s}
        token: str = self.admin.call("POST", f"/api/collections/users/impersonate/{id}", json=asked)["token"]
        return token

    # Switches, limits, log

    def switches(self) -> Switches:
        return Switches.of(self.stored_switches())

    def stored_switches(self) -> Mapping[str, Any]:
        """What the server keeps, {} before the first time."""
        rows = self.admin.records("switches")
        return (rows[0]["settings"] or {}) if rows else {}

    def set_switches(self, switches: Switches) -> None:
        """The running server obeys from its next answer on, and after a restart too."""
        rows = self.admin.records("switches")
        fields = {"settings": switches.stored()}
        if rows:
            self.admin.update("switches", rows[0]["id"], fields)
        else:
            self.admin.create("switches", fields)

    def forget_calls(self) -> None:
        """Every key's window, hour and daily quota begin anew, as they do at a restart."""
        self.admin.call("POST", "/api/dev/limits/forget")

    def requests(self, prefix: str = "/api/v1/") -> list[LoggedRequest]:
        """The logged calls below a path, in the order in which they were answered. The superuser's are not logged."""
        rows = self.admin.call("GET", "/api/dev/requests")["requests"]
        return [
            LoggedRequest(
                at=datetime.fromtimestamp(row["at_ms"] / 1000, UTC),
                method=row["method"],
                path=row["path"],
                query=row["query"],
                status=row["status"],
                key=row["key_name"],
            )
            for row in rows
            if row["path"].startswith(prefix)
        ]

    def clear_requests(self) -> None:
        self.admin.call("DELETE", "/api/dev/requests")

    # Content

    def create_post(self, **fields: Any) -> str:
        """Make a post; see `create_posts` for the fields. Returns its id."""
        return self.create_posts([fields])[0]

    def create_posts(self, posts: Iterable[Mapping[str, Any]]) -> list[str]:
        """Make many posts at once, all or none of each 500. Returns their ids in the same order.

        Fields are the API's own; one that it does not know appears in its answers all the same. `title` is needed;
        `slug` comes from it, `status` is "published", and a published post without the field `published_at` gets the
        present. `id` (15 of a-z0-9), `created` and `updated` may be given. Times are aware datetimes or texts.
        """
        return self._save([self._completed(post) for post in posts])

    def update_post(self, id: str, **fields: Any) -> None:
        """Change these fields of a post."""
        changed = post_columns(fields)
        if "extra" in changed:
            record = self.admin.call("GET", f"/api/collections/posts/records/{id}")
            changed["extra"] = {**(record["extra"] or {}), **changed["extra"]}
        self._save([{**changed, "id": id}])

    def delete_post(self, id: str) -> None:
        self.admin.delete("posts", id)

    def posts(self) -> list[dict[str, Any]]:
        """All posts as PocketBase has them, oldest first."""
        return self.admin.records("posts")

    def _completed(self, post: Mapping[str, Any]) -> dict[str, Any]:
        fields = {"status": "published", **post}
        fields.setdefault("slug", slugify(str(fields["title"])))
        if fields["status"] == "published":
            fields.setdefault("published_at", self._clock())
        return post_columns(fields)

    def _save(self, posts: Sequence[Mapping[str, Any]]) -> list[str]:
        ids: list[str] = []
        for start in range(0, len(posts), POSTS_PER_CALL):
            batch = {"posts": posts[start : start + POSTS_PER_CALL]}
            ids += self.admin.call("POST", "/api/dev/posts", json=batch)["ids"]
        return ids

    def upload_media(self, path: Path, alt: str | None = None, *, filename: str | None = None) -> str:
        """Upload a file with what a media record says of it. Returns the record's id."""
        made = self.admin.call("POST", "/api/collections/media/records", **upload_fields(path, alt, filename))
        id: str = made["id"]
        return id

    def replace_media(self, id: str, path: Path, alt: str | None = None, *, filename: str | None = None) -> None:
        """Another file for the same record: its address changes with it."""
        self.admin.call("PATCH", f"/api/collections/media/records/{id}", **upload_fields(path, alt, filename))

    def update_media(self, id: str, **fields: Any) -> None:
        self.admin.update("media", id, fields)

    def delete_media(self, id: str) -> None:
        self.admin.delete("media", id)

    def media(self) -> list[dict[str, Any]]:
        """All media records as PocketBase has them, oldest first."""
        return self.admin.records("media")

    def media_path(self, id: str) -> str:
        """Where the file is served, from the site's root: `/api/files/media/<id>/<name>`."""
        record = self.admin.call("GET", f"/api/collections/media/records/{id}")
        return media_path(record)

    def add_comment(
        self,
        post_id: str,
        body: str,
        *,
        author_name: str = "A reader",
        author_email: str = "",
        status: Literal["approved", "pending", "spam"] = "approved",
        parent_id: str = "",
    ) -> str:
        """Returns the comment's id."""
        fields = {"post_id": post_id, "body": body, "author_name": author_name, "author_email": author_email}
        return self.admin.create("comments", {**fields, "status": status, "parent_id": parent_id})

    def update_settings(self, **fields: Any) -> None:
        """Change these site settings; one that the API does not know appears in its answers all the same."""
        known = {name: value for name, value in fields.items() if name in SETTINGS_FIELDS}
        extra = {name: value for name, value in fields.items() if name not in SETTINGS_FIELDS}
        row = self.admin.records("site_settings")[0]
        self.admin.update("site_settings", row["id"], {**known, "extra": {**(row["extra"] or {}), **extra}})

    def set_public_url(self, url: str) -> None:
        """The blog's own address, as webhooks name it."""
        self.admin.call("PATCH", "/api/settings", json={"meta": {"appURL": url}})

    # Webhooks

    def add_webhook(
        self, url: str, events: Sequence[str] = EVENTS, variant: Literal["v1", "raw"] = "v1", *, secret: str = ""
    ) -> str:
        """Returns the secret: that which is given, else 32 random bytes as hex.

        Raises: ConfigError, for an unknown event or what is no http address.
        """
        check_address(url)
        for event in events:
            if event not in EVENTS:
                raise ConfigError(f"there is no event {event!r}", code="VB1107", hint="they are: " + ", ".join(EVENTS))
        secret = secret or secrets.token_hex(32)
        fields = {"url": url, "events": list(events), "variant": variant, "secret": secret, "enabled": True}
        self.admin.create("webhooks", fields)
        return secret

    def webhooks(self) -> list[Webhook]:
        return [
            Webhook(
                id=record["id"],
                url=record["url"],
                events=tuple(record["events"] or ()),
                variant=record["variant"],
                enabled=record["enabled"],
                failures_in_a_row=record["failures_in_a_row"],
            )
            for record in self.admin.records("webhooks")
        ]

    def webhook(self, url_or_id: str) -> Webhook:
        """Raises: ConfigError, if there is none or (by URL) more than one."""
        found = [webhook for webhook in self.webhooks() if url_or_id in (webhook.id, webhook.url)]
        if len(found) != 1:
            raise ConfigError(
                f"{len(found) or 'no'} webhooks are called {url_or_id!r}",
                code="VB1502",
                hint="name one by its id: see `velobuild cms webhook list`",
            )
        return found[0]

    def remove_webhook(self, url_or_id: str) -> str:
        """Returns the id of the one that was removed."""
        id = self.webhook(url_or_id).id
        self.admin.delete("webhooks", id)
        return id

    def ping_webhook(self, url_or_id: str) -> str:
        """Send test.ping to one webhook. Returns the delivery's id."""
        sent: str = self.admin.call("POST", f"/api/dev/ping/{self.webhook(url_or_id).id}")["id"]
        return sent

    def deliveries(self) -> list[Delivery]:
        """Oldest first."""
        return [
            Delivery(
                id=record["id"],
                webhook_id=record["webhook"],
                event=record["event"],
                body=record["body"],
                state=record["state"],
                attempts=record["attempts"],
                last_status=record["last_status"],
                last_error=record["last_error"],
            )
            for record in self.admin.records("webhook_deliveries")
        ]
