"""What the senders' events mean (reliability catalogue, group K)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.serve.door import NOW
from velobuild.config.schema import SourceConfig
from velobuild.serve.dialects import DIALECTS, of_source, of_sources, sources_by_dialect
from velobuild.serve.events import NO_WORK, POST_KINDS
from velobuild.serve.webhook import Headers, Reading, Unusable
from velobuild.serve.webhook_samples import COMET_EVENTS, POLY_EVENTS, Sample, body

NONE: Headers = {}


def read(dialect: str, payload: Any, headers: Headers = NONE) -> Reading:
    return DIALECTS[dialect].read(payload, headers)


def v1(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, "timestamp": 1_714_140_000, "payload": fields}


def test_variant_v1_names_the_post_by_id_and_slug() -> None:
    found = read("velocms", v1("post.updated", post_id="abc", slug="soup", tenant_id="t1"))
    assert (found.kind, found.post_id, found.slug, found.tenant_id) == ("post.updated", "abc", "soup", "t1")


def test_variant_raw_names_it_by_its_slug_alone_and_has_a_delivery_id() -> None:
    found = read("velocms", {"event": "post.published", "timestamp": "…", "id": "dlv_1", "data": {"slug": "soup"}})
    assert (found.kind, found.post_id, found.slug, found.delivery_id) == ("post.published", None, "soup", "dlv_1")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("post.published", "post.published"),
        ("post.updated", "post.updated"),
        ("post.deleted", "post.deleted"),
        ("comment.received", "comment.changed"),
        ("subscriber.added", "other"),
        ("subscriber.removed", "other"),
        ("test.ping", "ping"),
        ("order.paid", "other"),
    ],
)
def test_velocms_events(event: str, kind: str) -> None:
    """K7, K8: what no page shows is no work."""
    found = read("velocms", v1(event, post_id="p1"))
    assert (found.kind, found.event) == (kind, event)
    assert (kind in POST_KINDS) == event.startswith("post.")
    assert (kind in NO_WORK) == (kind in ("ping", "other"))


def test_an_updated_time_in_the_payload_is_the_version() -> None:
    assert read("velocms", v1("post.updated", slug="x", updated="2026-05-03 10:00:00.310Z")).version == (
        "2026-05-03 10:00:00.310Z"
    )
    model = {"id": 7, "slug": "hello", "updated_at": "2026-05-03T10:00:00.000000Z"}
    assert read("polycms", {"hook": "post.saved", "args": [model]}).version == model["updated_at"]
    assert read("velocms", v1("post.updated", slug="x", updated=17)).version is None
    assert read("velocms", v1("post.updated", slug="x", updated="x" * 65)).version is None


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("content.created", "post.updated"),
        ("content.updated", "post.updated"),
        ("content.published", "post.published"),
        ("content.unpublished", "post.unpublished"),
        ("content.deleted", "post.deleted"),
        ("content.restored", "post.updated"),
        ("webhook.manual", "reconcile"),
        ("content.sung", "other"),
    ],
)
def test_cometcms_events(event: str, kind: str) -> None:
    found = read("cometcms", {"event": event, "data": {"type": "posts", "id": "7K4p9xQ2mRw", "slug": "pasta"}})
    assert found.kind == kind
    if kind in POST_KINDS:
        assert (found.post_id, found.slug) == ("7K4p9xQ2mRw", "pasta")


def test_cometcms_tells_of_which_collection_an_entry_is() -> None:
    said = {"id": "a", "slug": "ann"}
    found = read("cometcms", {"event": "content.updated", "data": {"type": "authors", **said}})
    assert found == Reading("post.updated", "content.updated", "a", "ann", collection="authors")
    found = read("cometcms", {"event": "content.updated", "data": {"type": ["posts"], **said}})
    assert found == Reading("reconcile", "content.updated")


def test_cometcms_empty_data_is_a_list_as_php_writes_it() -> None:
    assert read("cometcms", {"event": "webhook.manual", "data": []}).kind == "reconcile"


@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        ("post.saved", "post.updated"),
        ("post.deleted", "post.deleted"),
        ("post.updating", "other"),
        ("post.deleting", "other"),
        ("category.saved", "terms.changed"),
        ("tag.deleted", "terms.changed"),
        ("media.uploaded", "media.changed"),
        ("settings.saved", "settings.changed"),
    ],
)
def test_polycms_hooks(hook: str, kind: str) -> None:
    found = read("polycms", {"hook": hook, "args": [{"id": 7, "slug": "hello", "author": {"email": "x@y"}}]})
    assert found.kind == kind
    assert found.post_id == ("7" if kind in POST_KINDS else None)


def test_polycms_pings_in_a_shape_of_their_own() -> None:
    assert read("polycms", {"ping": "pong", "timestamp": "…", "message": "hello"}).kind == "ping"
    assert read("polycms", {"x": 1}, {b"x-polycms-event": [b"ping"]}).kind == "ping"


@pytest.mark.parametrize("dialect", ["standard", "hmac", "bearer"])
def test_an_unknown_sender_is_believed_that_something_changed(dialect: str) -> None:
    assert read(dialect, {"type": "entry.publish", "data": {"id": "1"}}).kind == "reconcile"
    assert read(dialect, {"anything": 1}).kind == "reconcile"
    assert read(dialect, {"type": "ping"}).kind == "ping"
    found = read(dialect, {"event": "post.deleted", "data": {"id": 12, "slug": "soup"}})
    assert (found.kind, found.post_id, found.slug) == ("post.deleted", "12", "soup")
    assert read(dialect, {"type": "post.updated", "data": {}}).kind == "reconcile"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("payload", [None, [], 7, "text", True], ids=repr)
def test_a_payload_that_is_no_object_is_unusable(dialect: str, payload: Any) -> None:
    with pytest.raises(Unusable):
        read(dialect, payload)


@pytest.mark.parametrize(
    ("dialect", "payload"),
    [
        ("velocms", {}),
        ("velocms", {"event": 7}),
        ("velocms", {"event": "post.updated"}),
        ("velocms", v1("post.updated")),
        ("velocms", v1("post.updated", post_id={}, slug=[])),
        ("velocms", {"event": "post.updated", "payload": "x"}),
        ("cometcms", {"event": "content.updated", "data": {"type": "posts"}}),
        ("polycms", {"hook": "post.saved", "args": []}),
        ("polycms", {"hook": "post.saved", "args": ["x"]}),
        ("polycms", {"hook": "post.saved", "args": {"id": 1}}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value),
)
def test_a_post_event_that_names_no_post_is_unusable(dialect: str, payload: Any) -> None:
    """I8: wrong types."""
    with pytest.raises(Unusable):
        read(dialect, payload)


@pytest.mark.parametrize(
    "slug", ["", " ", "a b", "a\nb", "a\0b", "\ud800", "x" * 256, "\x85", 1.5, True, -1, None, [], {}], ids=repr
)
def test_a_name_that_cannot_be_one_is_as_if_it_were_missing(slug: Any) -> None:
    found = read("velocms", v1("post.updated", post_id="p1", slug=slug))
    assert (found.post_id, found.slug) == ("p1", None)


def test_a_slug_of_any_script_is_a_name() -> None:
    assert read("velocms", v1("post.updated", slug="日本語-süß")).slug == "日本語-süß"


def test_each_kind_of_source_is_listened_to_as_its_cms_speaks() -> None:
    assert {kind: of_source(kind)[0] for kind in ("velocms", "pocketbase", "cometcms", "polycms")} == {
        "velocms": "velocms",
        "pocketbase": "velocms",
        "cometcms": "cometcms",
        "polycms": "polycms",
    }
    assert all(name in DIALECTS for kind in ("velocms", "pocketbase", "folder") for name in of_source(kind))


def test_several_sources_are_listened_to_in_the_dialects_of_all() -> None:
    assert of_sources(["folder", "polycms"]) == ("polycms",)
    assert of_sources(["velocms", "pocketbase", "cometcms"]) == ("velocms", "hmac", "cometcms")
    assert of_sources(["folder"]) == ("hmac",)


def test_a_dialect_tells_the_source_where_one_alone_can_have_sent_it() -> None:
    velo, poly = SourceConfig(type="velocms"), SourceConfig(type="polycms", name="shop")
    notes, base = SourceConfig(type="folder", name="notes"), SourceConfig(type="pocketbase", name="base")
    assert sources_by_dialect([velo, poly, notes]) == {"velocms": "", "polycms": "shop"}
    assert sources_by_dialect([velo, base]) == {"realtime": "base"}, "a site of VeloCMS and its PocketBase sign alike"
    assert sources_by_dialect([poly, replace(poly, name="other")]) == {}
    assert sources_by_dialect([velo, SourceConfig(type="sheets", name="own")]) == dict.fromkeys(
        ("cometcms", "polycms"), "own"
    ), "of a kind that an installed package adds, nobody knows what it sends"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("event", ["post.published", "post.updated", "post.deleted", "test.ping"])
def test_a_sample_says_what_it_is_meant_to(dialect: str, event: str) -> None:
    for variant in ("v1", "raw"):
        sample = Sample(dialect, event, "d1", NOW, "7", "soup", variant)  # type: ignore[arg-type]
        found = read(dialect, json.loads(body(sample)))
        word = {"cometcms": COMET_EVENTS, "polycms": POLY_EVENTS}.get(dialect, {}).get(event, event)
        if event == "test.ping":
            assert found.kind == ("reconcile" if dialect == "cometcms" else "ping")
        else:
            assert found.kind in POST_KINDS
            assert (found.event, found.slug) == (word, "soup")
