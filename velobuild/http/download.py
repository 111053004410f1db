"""One media file over HTTP into a temporary file: bounded in bytes and time, resumed where it broke off, never trusted.

The CMS's token is not sent, with one exception. Where the source gets short-lived tokens for files (PocketBase), one
goes to the API's own origin alone, for a file that it denies without. Where a CMS gives private files to its own token
alone (CometCMS: `HeaderToken`), that one goes in a header, to that origin and for such a file. No message names either.
Cookies, proxies, `~/.netrc` and certificates named in the environment are ignored.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote, urljoin

import httpcore

from velobuild import __version__
from velobuild.config.schema import Secret
from velobuild.errors import ProtocolError, SourceUnavailable
from velobuild.http.addresses import Address, AddressPolicy, Resolve, refused, resolve_host, shown
from velobuild.http.authorities import public_authorities
from velobuild.http.checked import CheckedNetwork, Deadline, Stopped
from velobuild.http.downloaded import ATTEMPTS, Downloaded, NotModified, TemporaryFailure, Validators

DEADLINE_S = 60.0
IDLE_S = 15.0
REDIRECTS_MAX = 3
FIRST_PAUSE_S = 0.5
# What PocketBase answers for a protected file without a token: 404 as if there were none; up to 0.22, 403.
DENIED = frozenset({403, 404})
DENIED_PLAINLY = frozenset({401, 403})
"""What CometCMS answers for a private file: a 404 is no such answer, and brings it no token."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class HeaderToken:
    """The CMS's own token, for files that it gives to nobody else; as `file_token` it travels in a header."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self) -> Secret:
        return self._token


class Downloader:
    """Downloads one file after another over kept-alive connections. For one thread; close it at the end."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        limit_bytes: int,
        stop: threading.Event | None = None,
        deadline_s: float = DEADLINE_S,
        resolve: Resolve = resolve_host,
        network: httpcore.NetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        first_pause_s: float = FIRST_PAUSE_S,
        file_token: Callable[[], Secret] | None = None,
    ) -> None:
        self._policy = policy
        self._file_token = file_token
        self._limit_bytes = limit_bytes
        self._deadline_s = deadline_s
        self._first_pause_s = first_pause_s
        self._deadline = Deadline(stop or threading.Event(), monotonic)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls or public_authorities(),
            max_connections=4,
            max_keepalive_connections=2,
            keepalive_expiry=5.0,
            network_backend=CheckedNetwork(policy, resolve, self._deadline, network),
        )

    def close(self) -> None:
        self._pool.close()

    def download(
        self,
        url: str,
        into: Path,
        *,
        known: Validators | None = None,
        expected_size: int | None = None,
        spend: Callable[[int], None] = lambda _: None,
    ) -> Downloaded | NotModified:
        """Fetch `url` into the file `into`; what an earlier call left there is continued if the server agrees.

        `known` asks for news only. `spend` is told of each piece's bytes before it is written and may raise.

        Raises GuardRefused (VB4002) for an address that is not allowed, ProtocolError (VB4003, VB4004) for an answer
        that will not do, SourceUnavailable (VB4001) when all tries failed, OSError if the disk does.
        """
        self._deadline.start(self._deadline_s)
        partial = Partial(into, url)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._try(url, partial, known, expected_size, spend)
            except TemporaryFailure as failure:
                pause_s = max(failure.pause_s, self._first_pause_s * 2 ** (attempt - 1) * failure.patience)
                if attempt >= failure.tries or pause_s >= self._deadline.remaining_s():
                    partial.forget_unless_resumable()
                    raise
                self._deadline.pause(pause_s)
            except Stopped:
                raise
            except Exception:
                partial.forget()
                raise
        raise AssertionError("the last try either returns or raises")

    def _try(
        self,
        url: str,
        partial: Partial,
        known: Validators | None,
        expected_size: int | None,
        spend: Callable[[int], None],
    ) -> Downloaded | NotModified:
        target = url
        headers = request_headers(known, partial)
        authorized: dict[str, str] = {}
        for _ in range(REDIRECTS_MAX + 1):
            address = self._policy.permit(target)
            with self._answer(address, headers | authorized) as response:
                denied = DENIED_PLAINLY if isinstance(self._file_token, HeaderToken) else DENIED
                hidden = response.status in denied and target == url and self._file_token is not None
                if hidden and not authorized and address.origin == self._policy.api:
                    target, authorized = self._with_token(address.url)
                    continue
                if response.status not in REDIRECTS:
                    return self._receive(response, url, partial, known, expected_size, spend)
                location = header(response, "location")
                if location is None:
                    raise ProtocolError("the server redirects to nowhere", code="VB4003", where=shown(url))
                authorized = {}  # Whatever a redirect leads to was not meant by who gave the token.
                try:
                    target = urljoin(address.url, location)
                except ValueError as error:
                    raise refused(location, "it is not a plain web address") from error
        raise ProtocolError(f"the server redirected more than {REDIRECTS_MAX} times", code="VB4003", where=shown(url))

    def _with_token(self, url: str) -> tuple[str, dict[str, str]]:
        """The same address with a file token, or the header that carries it. Raises VelobuildError."""
        assert self._file_token is not None
        token = self._file_token().reveal()
        if isinstance(self._file_token, HeaderToken):
            return url, {"Authorization": f"Bearer {token}"}
        return f"{url}{'&' if '?' in url else '?'}token={quote(token, safe='')}", {}

    @contextlib.contextmanager
    def _answer(self, address: Address, headers: Mapping[str, str]) -> Iterator[httpcore.Response]:
        timeouts = {"connect": IDLE_S, "read": IDLE_S, "write": IDLE_S, "pool": IDLE_S}
        where = shown(address.url)
        try:
            with self._pool.stream(
                "GET", address.url, headers=list(headers.items()), extensions={"timeout": timeouts}
            ) as response:
                yield response
        except httpcore.TimeoutException as error:
            raise TemporaryFailure("the server did not send the file in time", where=where) from error
        except httpcore.ConnectError as error:
            reason = error.args[0] if error.args else None
            if isinstance(reason, ssl.SSLCertVerificationError):
                what = f"the certificate of {address.origin} is not trusted: {reason.verify_message}"
                raise SourceUnavailable(what, code="VB4001", where=where) from error
            raise TemporaryFailure(f"{address.origin} could not be reached", where=where) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise TemporaryFailure("the connection broke off", where=where, of_host=False) from error

    def _receive(
        self,
        response: httpcore.Response,
        url: str,
        partial: Partial,
        known: Validators | None,
        expected_size: int | None,
        spend: Callable[[int], None],
    ) -> Downloaded | NotModified:
        where = shown(url)
        if response.status == 304 and known:
            return NotModified()
        check_status(response, partial, where)
        validators = Validators(header(response, "etag"), header(response, "last-modified"))
        start = partial.size_bytes if response.status == 206 else 0
        if response.status == 200:
            partial.restart(validators)
        length = header(response, "content-length")
        total = start + int(length) if length and length.isdecimal() and len(length) < 19 else None
        self._check_size(total, expected_size, partial, where)
        size = start
        with partial.path.open("ab") as file:
            for piece in response.iter_stream():
                size += len(piece)
                self._check_limit(size, where)
                spend(len(piece))
                file.write(piece)
        self._check_size(size, expected_size, partial, where)
        partial.finish()
        return Downloaded(partial.path, size, validators)

    def _check_size(self, size: int | None, expected: int | None, partial: Partial, where: str) -> None:
        if size is None:
            return
        self._check_limit(size, where)
        if expected is not None and size != expected:
            partial.forget()
            what = f"the CMS's record says {expected} bytes, but the server sends {size}"
            raise TemporaryFailure(what, where=where, of_host=False, tries=2)

    def _check_limit(self, size: int, where: str) -> None:
        if size > self._limit_bytes:
            raise ProtocolError(
                f"the file is larger than {self._limit_bytes} bytes",
                code="VB4004",
                where=where,
                hint="make it smaller, or raise [limits] media_bytes",
            )


class Partial:
    """A file that is being fetched, and beside it a note of which version of which URL it is the beginning of."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self._url = url
        self._note = path.with_name(path.name + ".json")

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def continues(self) -> tuple[int, str] | None:
        """From which byte to go on, and the condition under which; None if from the start."""
        try:
            noted = json.loads(self._note.read_text("utf-8"))
            validators = Validators(noted["etag"], noted["last_modified"])
            size = self.size_bytes
            condition = validators.if_range
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if noted.get("url") != self._url or not size or not isinstance(condition, str):
            return None
        return size, condition

    def restart(self, validators: Validators) -> None:
        """Begin anew with the version that the server now sends."""
        self.forget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        if validators.if_range:
            self._note.write_text(json.dumps({"url": self._url, **asdict(validators)}), "utf-8")

    def finish(self) -> None:
        """The file is whole: nothing is to be continued."""
        self._note.unlink(missing_ok=True)

    def forget_unless_resumable(self) -> None:
        if self.continues() is None:
            self.forget()

    def forget(self) -> None:
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def request_headers(known: Validators | None, partial: Partial) -> dict[str, str]:
    headers = {
        "User-Agent": f"velobuild/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    if known:
        partial.forget()
        if known.etag:
            headers["If-None-Match"] = known.etag
        if known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
    elif continued := partial.continues():
        headers["Range"] = f"bytes={continued[0]}-"
        headers["If-Range"] = continued[1]
    return headers


def check_status(response: httpcore.Response, partial: Partial, where: str) -> None:
    """Let pass what carries the file, or the rest of it. Raises for everything else."""
    status = response.status
    if status in WORTH_ANOTHER_TRY:
        asked = header(response, "retry-after") or ""
        pause_s = float(asked) if asked.isdecimal() and len(asked) < 6 else 0.0
        # PocketBase says "too many" without saying for how long: its window is 10 s.
        patience = 8 if status == 429 else 1
        raise TemporaryFailure(f"the server answered {status}", where=where, pause_s=pause_s, patience=patience)
    if status == 206:
        span = CONTENT_RANGE.fullmatch(header(response, "content-range") or "")
        if span is None or int(span[1]) != partial.size_bytes or partial.continues() is None:
            partial.forget()
            raise TemporaryFailure("the server sent another part than the one asked for", where=where, of_host=False)
    elif status == 416:
        partial.forget()
        raise TemporaryFailure("the server cannot continue the file", where=where, of_host=False)
    elif status != 200:
        hint = "does the file still exist in the CMS, and can it be seen without a login?"
        raise SourceUnavailable(f"the server answered {status}", code="VB4001", where=where, hint=hint)
    if (header(response, "content-encoding") or "identity").lower() != "identity":
        raise ProtocolError("the server sent the file compressed, unasked", code="VB4003", where=where)


def header(response: httpcore.Response, name: str) -> str | None:
    """A header's value; what is not ASCII counts as absent, since it is sent back and shown."""
    for key, value in response.headers:
        if key.lower() == name.encode():
            text = value.decode("latin-1").strip()
            return text if text.isascii() and text.isprintable() else None
    return None
