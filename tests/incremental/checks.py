"""What must hold of the trace and of the kept numbers after every build, whatever the pages look like."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from velobuild.content import tallies
from velobuild.content.database import Connection
from velobuild.content.permalinks import former_paths
from velobuild.graph.answers import Answers, is_query
from velobuild.graph.named import THEME_KEYS, Named
from velobuild.graph.reader import Reader
from velobuild.graph.routes import expand
from velobuild.graph.site import Site
from velobuild.graph.trace import Trace
from velobuild.model.keys import canonical
from velobuild.model.outputs import Target
from velobuild.pipeline.opening import publisher_of

if TYPE_CHECKING:
    from tests.incremental.rig import Living

KEPT = ("tally", "spelling", "term")
UNREAD_KEYS_MAX = 100


def check_trace(living: Living) -> None:
    """Raises AssertionError, saying what the trace has wrong."""
    assert [finding.what for finding in living.findings if finding.code == "VB9001"] == [], "an alarm"
    check_files(living)
    with living.opened() as connection:
        trace = Trace(connection)
        assert trace.identity is not None, "there is no trace"
        assert connection.execute("SELECT count(*) FROM dirty").fetchone() == (0,)
        check_outputs(connection, trace, living.moment)
        check_edges(connection)
        check_answers(connection, trace, living.moment)
        check_counts(connection, living.moment)


def check_files(living: Living) -> None:
    """The live manifest, with its log, names the files that are there, and their bytes."""
    live = publisher_of(living.loaded, clock=lambda: living.now).live()
    assert live is not None, "there is no manifest"
    told = {path: file.sha256 for path, file in live.files.items()}
    assert told == {path: sha256(content).hexdigest() for path, content in living.tree().items()}, "manifest"
    sizes = {path: file.size_bytes for path, file in live.files.items()}
    assert sizes == {path: len(content) for path, content in living.tree().items()}, "sizes in the manifest"


def check_outputs(connection: Connection, trace: Trace, site: Site) -> None:
    """The outputs are those that the routes give when all of them are expanded."""
    routes = {_plain(target) for target in expand(Reader(connection, site), former_paths(connection))}
    outputs = {_plain(output.target) for output in trace.outputs()}
    assert outputs == routes, sorted(outputs ^ routes)


def check_edges(connection: Connection) -> None:
    """What an output keeps of its reads is what the tables say, so that a later change takes out all of it."""
    posts: set[tuple[int, int]] = set()
    queries: set[tuple[int, int]] = set()
    for id, reads in connection.execute("SELECT id, reads FROM output").fetchall():
        flat, keys = json.loads(reads)
        posts |= {(post, id) for post, fields in zip(flat[::2], flat[1::2], strict=True) if fields}
        queries |= {(key, id) for key in keys}
    assert posts == set(connection.execute("SELECT post, output FROM post_read")), "post_read"
    assert queries == set(connection.execute("SELECT key, output FROM query_read")), "query_read"
    read = "SELECT key FROM query_read UNION SELECT key FROM bundle_key JOIN output USING (bundle)"
    (unread,) = connection.execute(f"SELECT count(*) FROM key WHERE id NOT IN ({read})").fetchone()
    assert unread <= UNREAD_KEYS_MAX, "keys that nothing reads are kept"
    (lost,) = connection.execute("SELECT count(*) FROM footprint WHERE key NOT IN (SELECT id FROM key)").fetchone()
    assert lost <= UNREAD_KEYS_MAX, "footprints of keys that are gone are kept"


def check_answers(connection: Connection, trace: Trace, site: Site) -> None:
    """Each key answers what the trace believes, and a query looks for changes where it must."""
    answers = Answers(connection, site)
    named = Named(Reader(connection, site), lambda key: b"")
    for key, stamp in trace.keys(""):
        if is_query(key):
            answer = answers.answer(key)
            assert answer.fingerprint == stamp, key
            rows = connection.execute(
                "SELECT facet, low, high, several FROM footprint JOIN key ON key.id = key WHERE name = ?", (key,)
            ).fetchall()
            asked = {(one.facet, one.low, one.high, int(one.several)) for one in answer.footprints}
            assert set(rows) == asked, f"where {key} looks"
        elif key.partition(":")[0] not in THEME_KEYS:
            assert named.fingerprint(key) == stamp, key


def check_counts(connection: Connection, site: Site) -> None:
    """The kept numbers and terms are those of a count from the posts."""

    def kept() -> list[list[tuple[object, ...]]]:
        return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in KEPT]

    before = kept()
    connection.execute("BEGIN")
    try:
        connection.execute("DELETE FROM meta WHERE key = 'trace'")
        tallies.settle(connection, site.zone, site.excluded_tags)
        counted = kept()
    finally:
        connection.execute("ROLLBACK")
    assert before == counted, "tallies"


def _plain(target: Target) -> tuple[str, ...]:
    params = canonical(target.params).decode()
    return (target.path, target.url, target.route, target.renderer, target.template or "", params)
