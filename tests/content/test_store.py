"""What arrives is staged and survives; what is complete becomes one revision, or nothing happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from tests.content.conftest import LATER, NOON, no_warning, post, synced, versions_of
from velobuild.content.codec import decode, tag_key
from velobuild.content.database import Connection, open_database
from velobuild.content.store import Store
from velobuild.model.entries import Collection, Delta, Media, Page, Post, SiteSettings

POSTS = Collection.POSTS


def stored(connection: Connection, id: str) -> Post:
    text = connection.execute("SELECT value FROM entry WHERE collection = ? AND id = ?", (POSTS, id)).fetchone()[0]
    body = connection.execute("SELECT body FROM body WHERE post_id = ?", (id,)).fetchone()[0]
    found = decode(POSTS, text, body=body)
    assert isinstance(found, Post)
    return found


def staged(store: Store) -> int:
    """How many entries wait to be applied."""
    return int(store.connection.execute("SELECT count(*) FROM staged").fetchone()[0])


def test_what_is_staged_is_held_but_seen_by_nobody(store: Store) -> None:
    store.stage(Delta(POSTS, upserts=(post("tea"),), versions={"tea": "v1"}))
    assert store.holds(POSTS, "tea", "v1")
    assert not store.holds(POSTS, "tea", "v2")
    assert not store.holds(Collection.MEDIA, "tea", "v1")
    assert (store.revision, store.public_count(LATER), list(store.ids(POSTS))) == (0, 0, [])


def test_a_complete_delta_makes_one_revision_of_everything_staged(store: Store, connection: Connection) -> None:
    changes = synced(store, post("tea"), post("jam", tags=("Fruit",)))
    assert changes.revision == store.revision == 1
    assert [(change.id, change.before is None, change.after is None) for change in changes.changes] == [
        ("jam", True, False),
        ("tea", True, False),
    ]
    assert store.versions(POSTS) == {"jam": "1", "tea": "1"}
    assert staged(store) == 0
    assert stored(connection, "jam") == post("jam", tags=("Fruit",))


def test_the_same_content_again_changes_nothing_and_keeps_the_revision(store: Store) -> None:
    synced(store, post("tea"), post("jam"))
    again = synced(store, post("tea"), post("jam"))
    assert (bool(again), again.revision) == (False, 1)


def test_a_new_version_of_equal_content_is_remembered_without_a_revision(store: Store) -> None:
    synced(store, post("tea"), version="1")
    assert not synced(store, post("tea"), version="2")
    assert (store.versions(POSTS), store.revision) == ({"tea": "2"}, 1)
    assert store.holds(POSTS, "tea", "2")


def test_a_change_is_reported_with_both_fingerprints(store: Store) -> None:
    first = synced(store, post("tea")).changes[0]
    (second,) = synced(store, post("tea", body="<p>More.</p>"), version="2").changes
    assert second.before == first.after != second.after


def test_what_a_complete_delta_does_not_name_is_gone_with_everything_of_it(
    store: Store, connection: Connection
) -> None:
    synced(store, post("tea", tags=("A",)), post("jam", tags=("B",)))
    changes = store.apply([Delta(POSTS, versions={"jam": "1"}, complete=True)])
    assert [(change.id, change.after) for change in changes.changes] == [("tea", None)]
    for table, column in (("post", "id"), ("body", "post_id"), ("tag", "post_id"), ("entry", "id")):
        assert [id for (id,) in connection.execute(f"SELECT {column} FROM {table}")] == ["jam"], table


def test_one_collection_says_nothing_of_another(store: Store) -> None:
    synced(store, post("tea"))
    media = Delta(Collection.MEDIA, upserts=(Media("m1", "/m.png"),), versions={"m1": "1"}, complete=True)
    assert [change.id for change in store.apply([media]).changes] == ["m1"]
    assert store.versions(POSTS) == {"tea": "1"}


def test_deletes_without_a_listing_take_what_is_there_once(store: Store) -> None:
    synced(store, post("tea"), post("jam"))
    store.stage(Delta(POSTS, upserts=(post("tea", body="newer"),), versions={"tea": "2"}))
    changes = store.apply([Delta(POSTS, deletes=("tea", "tea", "never-there"))])
    assert [(change.id, change.after) for change in changes.changes] == [("tea", None)]
    assert store.versions(POSTS) == {"jam": "1"}
    assert not store.holds(POSTS, "tea", "2"), "the staged copy of a post that was taken away stayed"


def test_a_version_that_never_arrived_leaves_the_last_good_entry(store: Store, connection: Connection) -> None:
    synced(store, post("tea"))
    changes = store.apply([Delta(POSTS, versions={"tea": "2", "jam": "1"}, complete=True)])
    assert not changes
    assert store.versions(POSTS) == {"tea": "1"}
    assert stored(connection, "tea") == post("tea")


def test_a_staged_copy_of_another_version_is_not_taken(store: Store, connection: Connection) -> None:
    synced(store, post("tea"))
    store.stage(Delta(POSTS, upserts=(post("tea", title="Older"),), versions={"tea": "2"}))
    assert not store.apply([Delta(POSTS, versions={"tea": "3"}, complete=True)])
    assert stored(connection, "tea").title == "Tea"


def test_the_cursor_comes_back_as_it_was_and_goes_with_its_revision(store: Store) -> None:
    cursor = '{"päge": 7, "\\u0000": null}'
    store.apply([Delta(POSTS, complete=True, cursor=cursor)])
    assert store.note("cursor") == cursor


def test_a_failure_inside_a_closing_delta_undoes_all_of_it(store: Store) -> None:
    synced(store, post("tea"))
    store.stage(Delta(POSTS, upserts=(post("jam"),), versions={"jam": "1"}))
    broken = Delta(Collection.MEDIA, upserts=(Media("m1", object()),), versions={"m1": "1"}, complete=True)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.apply([Delta(POSTS, versions={"jam": "1"}, complete=True, cursor="next"), broken])
    assert (store.versions(POSTS), store.revision, store.note("cursor")) == ({"tea": "1"}, 1, None)
    assert store.holds(POSTS, "jam", "1")


def test_unknown_fields_of_any_shape_come_back(store: Store, connection: Connection) -> None:
    extra = {"subtitle": "Ünter", "deep": {"list": [1, 2.5, None, True, {"a": "b"}]}, "": "empty name", "id": "mine"}
    synced(store, post("tea", extra=extra))
    assert json.loads(json.dumps(dict(stored(connection, "tea").extra))) == extra


def test_other_entries_come_back_from_the_database(store: Store, connection: Connection) -> None:
    page = Page("about", "about", "About", "*Hi*", extra={"layout": "wide"})
    settings = SiteSettings(title="Garden", comments_enabled=True, extra={"theme_color": "#fff"})
    for kind, entry in ((Collection.PAGES, page), (Collection.SETTINGS, settings)):
        store.apply([Delta(kind, upserts=(entry,), versions=versions_of([entry]), complete=True)])
        text = connection.execute("SELECT value FROM entry WHERE collection = ?", (kind,)).fetchone()[0]
        assert decode(kind, text) == entry


def test_a_closing_delta_may_bring_its_entries_itself(store: Store) -> None:
    page = Page("about", "about", "About", "*Hi*")

    def read(entry: Page, version: str) -> bool:
        closing = Delta(Collection.PAGES, upserts=(entry,), versions={"about": version}, complete=True)
        return bool(store.apply([closing]))

    assert read(page, "1")
    assert not read(page, "1")
    assert read(Page("about", "about", "About us", "*Hi*"), "1"), "content counts, whatever the version says"


# Counting for the shrink guard


def counts(store: Store, *closings: Delta) -> tuple[int, int]:
    return store.public_counts(closings, LATER)


def test_the_shrink_count_is_what_applying_would_leave(store: Store) -> None:
    draft = {"status": "draft"}
    synced(store, post("a"), post("b"), post("c"), post("draft", **draft))
    store.stage(Delta(POSTS, upserts=(post("new"), post("b", **draft)), versions={"new": "1", "b": "2"}))
    closings = [Delta(POSTS, versions={"a": "1", "b": "2", "new": "1", "draft": "1", "never-came": "1"}, complete=True)]
    before, after = counts(store, *closings)
    assert (before, after) == (3, 2)  # c is gone, b is a draft, new is new
    store.apply(closings)
    assert store.public_count(LATER) == after


def test_the_shrink_count_knows_deletes_without_a_listing(store: Store) -> None:
    synced(store, post("a"), post("b"))
    assert counts(store, Delta(POSTS, deletes=("a", "zzz"))) == (2, 1)


def test_the_shrink_count_knows_entries_that_a_closing_delta_brings(store: Store) -> None:
    assert counts(store, Delta(POSTS, upserts=(post("a"),), versions={"a": "1"}, complete=True)) == (0, 1)


def test_a_failed_fetch_of_a_new_version_counts_as_kept(store: Store) -> None:
    synced(store, post("a"), version="1")
    assert counts(store, Delta(POSTS, versions={"a": "2"}, complete=True)) == (1, 1)


def test_a_post_of_the_future_is_not_public_and_named_as_next(store: Store) -> None:
    synced(store, post("now"), post("soon", published_at=NOON + timedelta(hours=1)), post("off", status="draft"))
    assert (store.public_count(NOON), store.next_due(NOON)) == (1, "2026-05-03T13:00:00.000000Z")
    assert (store.public_count(LATER), store.next_due(LATER)) == (2, None)


# Tags


def test_spellings_of_one_tag_in_a_post_are_one_tag(store: Store, connection: Connection) -> None:
    synced(store, post("tea", tags=("Café", "cafe\u0301", "CAFÉ")))
    assert [row[0] for row in connection.execute("SELECT tag FROM tag")] == ["café"]


def test_control_casefolding_alone_keeps_normal_forms_apart() -> None:
    assert "Café".casefold() != "cafe\u0301".casefold()
    assert tag_key("Café") == tag_key("cafe\u0301")


def test_an_edit_of_tags_leaves_no_old_ones(store: Store, connection: Connection) -> None:
    synced(store, post("tea", tags=("a", "b")))
    synced(store, post("tea", tags=("b", "c")), version="2")
    assert [row[0] for row in connection.execute("SELECT tag FROM tag ORDER BY tag")] == ["b", "c"]


# Death

DYING = dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from tests.content.conftest import post
    from velobuild.content.database import open_database
    from velobuild.content.store import Store
    from velobuild.model.entries import Collection, Delta

    connection = open_database(Path(sys.argv[1]), warn=print)
    store = Store(connection)
    for number in range(5):
        id = f"p{number}"
        store.stage(Delta(Collection.POSTS, upserts=(post(id),), versions={id: "1"}))
    if sys.argv[2] == "applying":
        connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
        last = "CREATE TEMP TRIGGER last BEFORE DELETE ON staged WHEN OLD.id = 'p4' BEGIN SELECT die(); END"
        connection.execute(last)
        store.apply([Delta(Collection.POSTS, versions={f"p{n}": "1" for n in range(5)}, complete=True)])
    os.kill(os.getpid(), signal.SIGKILL)
    """
)


@pytest.mark.parametrize("moment", ["staged", "applying"])
def test_a_kill_keeps_what_was_staged_and_nothing_else(tmp_path: Path, moment: str) -> None:
    state = tmp_path / "state"
    died = subprocess.run([sys.executable, "-c", DYING, str(state), moment], check=False, env={**os.environ})
    assert died.returncode == -signal.SIGKILL
    connection = open_database(state, warn=no_warning)
    store = Store(connection)
    assert (staged(store), store.revision, list(store.ids(POSTS))) == (5, 0, [])
    assert all(store.holds(POSTS, f"p{number}", "1") for number in range(5))
    changes = store.apply([Delta(POSTS, versions={f"p{number}": "1" for number in range(5)}, complete=True)])
    assert (len(changes.changes), changes.revision) == (5, 1)
    connection.close()
