"""Server-sent events: as they come, within bounds, and to be ended from outside at any moment."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice

import pytest

from velobuild.config.schema import Secret
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError, VelobuildError
from velobuild.http import events
from velobuild.http.events import EventClient, ServerEvent

TOKEN = Secret("velo_very_secret", "test")
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Origin:
    """Answers each connection with the next script, and keeps what it was asked."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/api"
        self.asked: list[bytes] = []
        self.scripts: list[Callable[[socket.socket], None]] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                if self.over.is_set():
                    return
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(4096)):
                    head += part
                self.asked.append(head)
                with suppress(OSError):  # Whoever gives up does not read to the end.
                    self.scripts.pop(0)(connection)

    def sends(self, *parts: bytes, then: str = "close") -> None:
        """The next connection gets these bytes; then it is closed, or held open until the test ends."""

        def script(connection: socket.socket) -> None:
            for part in parts:
                connection.sendall(part)
            if then == "hold":
                self.over.wait(30)

        self.scripts.append(script)


@pytest.fixture
def origin() -> Iterator[Origin]:
    made = Origin()
    yield made
    made.over.set()
    # Closing a listening socket does not wake its accept; a last connection does.
    socket.create_connection(made.listener.getsockname()).close()
    made.thread.join()
    made.listener.close()


@contextmanager
def client(origin: Origin, **options: float) -> Iterator[EventClient]:
    made = EventClient(origin.url, TOKEN, **options)
    try:
        yield made
    finally:
        made.close()


def read(origin: Origin, count: int | None = None, **options: float) -> list[ServerEvent]:
    with client(origin, **options) as made, made.stream("realtime") as stream:
        return list(islice(stream, count))


def test_events_are_read_as_they_come_with_names_and_lines(origin: Origin) -> None:
    origin.sends(STREAM, b"event: a\nda", b"ta: 1\n\n: nothing\n\ndata: x\ndata: y\r\n\r\n", then="hold")
    assert read(origin, 2) == [ServerEvent("a", "1"), ServerEvent("message", "x\ny")]
    assert b"GET /api/realtime HTTP/1.1" in origin.asked[0]
    assert b"authorization: Bearer velo_very_secret" in origin.asked[0].lower().replace(b"bearer", b"Bearer")


def test_a_stream_that_the_server_ends_is_over(origin: Origin) -> None:
    origin.sends(STREAM, b"data: 1\n\n")
    assert read(origin) == [ServerEvent("message", "1")]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>", ProtocolError, "text/html"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", ProtocolError, "it answered 302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ProtocolError, "it answered 404"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", TokenError, r"\(401\)"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", TokenError, r"\(403\)"),
        (b"HTTP/1.1 429 Too Many\r\n\r\n", SourceUnavailable, "429"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", SourceUnavailable, "502"),
        (b"nonsense\r\n\r\n", SourceUnavailable, "broke"),
        (b"", SourceUnavailable, "broke"),
    ],
)
def test_whatever_is_no_stream_is_an_error_of_ours(
    origin: Origin, answer: bytes, kind: type[VelobuildError], said: str
) -> None:
    origin.sends(answer)
    with pytest.raises(kind, match=said) as raised:
        read(origin)
    assert "very_secret" not in repr([raised.value.diagnostics, raised.value])
    assert len(origin.asked) == 1  # No redirect was followed.


def test_a_compressed_stream_is_refused(origin: Origin) -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    origin.sends(head, gzip.compress(b"data: 1\n\n"))
    with pytest.raises(ProtocolError, match="compressed"):
        read(origin)


@pytest.mark.parametrize("separator", [b"\n", b"\r\n"])
def test_an_event_without_end_is_given_up_and_a_large_one_is_not(origin: Origin, separator: bytes) -> None:
    large = b"data: " + b"x" * 900_000 + separator * 2
    origin.sends(STREAM, large, large, large)
    assert [len(event.data) for event in read(origin)] == [900_000] * 3
    origin.sends(STREAM, *[b"data: " + b"x" * 100_000 + separator] * 12)
    with pytest.raises(ProtocolError, match="larger than 1 MB") as raised:
        read(origin)
    assert raised.value.code == "VB2203"


def test_a_stream_that_is_silent_for_too_long_is_given_up(origin: Origin) -> None:
    origin.sends(STREAM, b"data: 1\n\n", then="hold")
    with pytest.raises(SourceUnavailable, match="silent"):
        read(origin, silence_s=0.2)


@contextmanager
def listening(made: EventClient, got: list[ServerEvent], seen: threading.Event) -> Iterator[threading.Thread]:
    """A thread that reads the stream; what it raises fails the test."""
    raised: list[BaseException] = []

    def listen() -> None:
        try:
            with made.stream("realtime") as stream:
                for event in stream:
                    got.append(event)
                    seen.set()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    yield thread
    assert not raised


def test_closing_from_another_thread_ends_a_waiting_reader_at_once(origin: Origin) -> None:
    origin.sends(STREAM, b"data: 1\n\n", then="hold")
    got: list[ServerEvent] = []
    waiting = threading.Event()
    with client(origin) as made, listening(made, got, waiting) as thread:
        assert waiting.wait(10)
        began = time.monotonic()
        made.close()
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - began < 5
    assert len(got) == 1


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: text/"])
def test_closing_before_the_stream_began_ends_whoever_waits_for_it(origin: Origin, begun: bytes) -> None:
    origin.sends(begun, then="hold")
    got: list[ServerEvent] = []
    with client(origin) as made, listening(made, got, threading.Event()) as thread:
        while not origin.asked:
            time.sleep(0.01)
        began = time.monotonic()
        made.close()
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - began < 5
    assert not got


def test_a_second_stream_is_ended_as_well(origin: Origin) -> None:
    """Also where the server would go on with the connection of the first one: nobody is told of a second use."""

    def again(connection: socket.socket) -> None:
        connection.sendall(STREAM.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n") + b"data: 1\n\n")
        if more := connection.recv(4096):
            origin.asked.append(more)
            origin.over.wait(30)

    origin.scripts.append(again)
    origin.sends(b"", then="hold")
    with client(origin, silence_s=8.0) as made:
        with made.stream("realtime") as stream:
            assert len(list(stream)) == 1
        with listening(made, [], threading.Event()) as thread:
            while len(origin.asked) < 2:
                time.sleep(0.01)
            began = time.monotonic()
            made.close()
            thread.join(10)
            assert time.monotonic() - began < 5


def test_closing_leaves_the_encryption_on(origin: Origin) -> None:
    """Another thread may be about to send its request, with the token."""
    sent: list[bytes] = []
    origin.scripts.append(lambda connection: sent.append(connection.recv(4096)))
    with socket.create_connection(origin.listener.getsockname()) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        context = ssl.create_default_context()
        encrypted = context.wrap_socket(plain, server_hostname="blog.example", do_handshake_on_connect=False)
        with encrypted, client(origin) as made:
            made._socket = encrypted
            made.close()
            with suppress(OSError):
                encrypted.sendall(b"Authorization: Bearer velo_very_secret")
            assert getattr(encrypted, "_sslobj", None) is not None  # without it, what is sent is sent as it is


def test_a_stream_that_was_closed_before_it_was_asked_for_has_no_events(origin: Origin) -> None:
    with client(origin) as made:
        made.close()
        with made.stream("realtime") as stream:
            assert not list(stream)
    assert not origin.asked


def test_a_document_is_posted_with_the_token(origin: Origin) -> None:
    origin.sends(b"HTTP/1.1 204 No Content\r\n\r\n")
    with client(origin) as made:
        made.tell("realtime", {"clientId": "a"})
    assert origin.asked[0].startswith(b"POST /api/realtime HTTP/1.1\r\n")
    assert b"Bearer velo_very_secret" in origin.asked[0]


def test_the_environment_has_no_say(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    origin.sends(STREAM, b"data: 1\n\n")
    assert len(read(origin)) == 1


def test_no_token_goes_out_unencrypted() -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        EventClient("http://blog.example/api", TOKEN)


def test_the_bound_is_that_of_the_documentation() -> None:
    assert events.EVENT_BYTES_MAX == 1_000_000
