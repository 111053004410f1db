"""PocketBase's own word that something changed, from real servers of both generations."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pocketbase_servers import Generation, Server, old_binary, pocketbase
from tests.relay import Relay
from velobuild.config.schema import CollectionsConfig, Config, Loaded, Secret, SourceConfig
from velobuild.errors import TokenError
from velobuild.model.entries import Collection
from velobuild.serve.realtime import Listening
from velobuild.sources import realtime_of
from velobuild.sources.pocketbase_realtime import Hint, HintKind, Realtime

SIGNED_IN = '@request.auth.id != ""'
PATIENCE_S = 20.0
OLD = pytest.param("0.22", marks=pytest.mark.slow)


class Ears:
    """A subscription in a thread of its own, and what it said so far."""

    def __init__(self, subscription: Realtime) -> None:
        self._said: queue.Queue[Hint] = queue.Queue()
        self.listening = Listening([subscription], self._said.put)

    def next(self) -> Hint:
        return self._said.get(timeout=PATIENCE_S)

    def until(self, kind: HintKind) -> Hint:
        while (hint := self.next()).kind is not kind:
            pass
        return hint

    def silent(self) -> bool:
        return self._said.empty()


@contextmanager
def hearing(loaded: Loaded, cache: Path) -> Iterator[Ears]:
    (subscription,) = realtime_of(loaded, cache=cache)
    subscription._backoff_s = 0.05  # A second would do as well; the test would take longer.
    ears = Ears(subscription)
    with ears.listening:
        yield ears


@pytest.fixture(scope="module")
def binary_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Generation], Path | None]:
    return lambda generation: None if generation == "0.40" else old_binary(tmp_path_factory.mktemp("pocketbase-old"))


@pytest.fixture(scope="module", params=["0.40", OLD])
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    binary_of: Callable[[Generation], Path | None],
) -> Iterator[Server]:
    with pocketbase(tmp_path_factory.mktemp("pb"), request.param, binary_of(request.param)) as running:
        fields = {"title": "text", "slug": "text", "status": "select", "content_html": "editor"}
        running.collection("posts", fields, rule=f'status = "published" || {SIGNED_IN}')
        running.collection("media", {"file": "file"}, rule=SIGNED_IN)
        yield running


@pytest.fixture
def loaded(server: Server) -> Loaded:
    source = SourceConfig(
        type="pocketbase", url=server.url, rate_limit="1000/s", collections=CollectionsConfig(settings="")
    )
    token = Secret(server.reader_token(), "the test")
    return Loaded(config=Config(source=source), file=Path("velobuild.toml"), tokens=(token,))


def through(relay: Relay, loaded: Loaded) -> Loaded:
    return replace(loaded, config=replace(loaded.config, source=replace(loaded.config.source, url=relay.url)))


def test_a_change_of_each_kind_is_told_with_the_posts_name(server: Server, loaded: Loaded, tmp_path: Path) -> None:
    with hearing(loaded, tmp_path) as ears:
        assert ears.next() == Hint(HintKind.SUBSCRIBED)
        id = server.create("posts", title="Tea", slug="tea", status="published", content_html="<p>a</p>")
        server.update("posts", id, title="Green tea")
        server.update("posts", id, status="draft")
        server.delete("posts", id)
        told = [ears.next() for _ in range(4)]
    assert [(hint.kind, hint.collection, hint.id) for hint in told] == [(HintKind.CHANGED, Collection.POSTS, id)] * 4
    assert [hint.action for hint in told] == ["create", "update", "update", "delete"]
    assert [hint.title for hint in told] == ["Tea", "Green tea", "Green tea", "Green tea"]


def test_pictures_are_told_of_and_bodies_never_cross_the_wire(server: Server, loaded: Loaded, tmp_path: Path) -> None:
    relay = Relay(server.url)
    try:
        with hearing(through(relay, loaded), tmp_path) as ears:
            ears.until(HintKind.SUBSCRIBED)
            server.upload("media", "file", "a.txt", b"text")
            assert ears.next().collection is Collection.MEDIA
            server.create("posts", title="Whisper", slug="w", status="draft", content_html="<p>secret body</p>")
            assert ears.next().title == "Whisper"
        assert b"Whisper" in relay.heard  # the control: what came was heard
        assert b"secret body" not in relay.heard
    finally:
        relay.close()


def test_a_stream_that_breaks_is_begun_anew_and_asks_for_a_synchronisation(
    server: Server, loaded: Loaded, tmp_path: Path
) -> None:
    relay = Relay(server.url)
    try:
        with hearing(through(relay, loaded), tmp_path) as ears:
            assert ears.next().kind is HintKind.SUBSCRIBED
            assert ears.listening.live
            relay.refuses = True
            relay.cut()
            lost = ears.next()
            assert (lost.kind, lost.retry_s is not None) == (HintKind.LOST, True)
            assert not ears.listening.live
            # Nobody is told of this; the synchronisation that SUBSCRIBED asks for finds it.
            server.create("posts", title="Missed", slug="missed", status="published")
            relay.refuses = False
            assert ears.until(HintKind.SUBSCRIBED)
            assert ears.listening.live
            server.create("posts", title="Heard", slug="heard", status="published")
            assert ears.next().title == "Heard"
    finally:
        relay.close()


def test_a_token_that_does_not_count_ends_it_at_once(server: Server, loaded: Loaded, tmp_path: Path) -> None:
    """To PocketBase it would be a guest, who is told of published posts alone and never of one that is taken back."""
    wrong = replace(loaded, tokens=(Secret("aaa.bbb.ccc", "the test"),))
    with hearing(wrong, tmp_path) as ears:
        hint = ears.next()
    assert (hint.kind, hint.retry_s) == (HintKind.LOST, None)
    assert isinstance(hint.error, TokenError)
    assert "aaa.bbb.ccc" not in repr(hint)


def test_it_ends_at_once_whatever_it_waits_for(server: Server, loaded: Loaded, tmp_path: Path) -> None:
    with hearing(loaded, tmp_path) as ears:
        ears.until(HintKind.SUBSCRIBED)
        threads = list(ears.listening._threads)
    assert not any(thread.is_alive() for thread in threads)
    assert ears.silent()
    relay = Relay(server.url)
    relay.refuses = True
    with hearing(through(relay, loaded), tmp_path) as ears:  # in the pause before it tries again
        ears.until(HintKind.LOST)
        threads = list(ears.listening._threads)
    relay.close()
    assert not any(thread.is_alive() for thread in threads)


def test_only_pocketbase_tells_of_changes(loaded: Loaded, tmp_path: Path) -> None:
    other = replace(loaded, config=Config(source=SourceConfig(url="https://blog.example")))
    assert realtime_of(other, cache=tmp_path) == ()
    assert len(realtime_of(loaded, cache=tmp_path)) == 1
