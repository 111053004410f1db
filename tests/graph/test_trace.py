"""What the trace forgets: exactly the keys that no output reads any more, however outputs come and go."""

from __future__ import annotations

import random

import pytest

from tests.graph.rig import Blog
from velobuild.content.database import Connection, transaction
from velobuild.graph.trace import Made, Trace
from velobuild.model.outputs import OutputFile, Phase, Target
from velobuild.model.reads import Answer, Footprint, Reads

ORPHANS = (
    "SELECT count(*) FROM bundle WHERE id NOT IN (SELECT bundle FROM output)",
    "SELECT count(*) FROM bundle_key WHERE bundle NOT IN (SELECT id FROM bundle)",
    "SELECT count(*) FROM key WHERE id NOT IN (SELECT key FROM query_read UNION SELECT key FROM bundle_key)",
    "SELECT count(*) FROM footprint WHERE key NOT IN (SELECT id FROM key)",
    "SELECT count(*) FROM query_read WHERE key NOT IN (SELECT id FROM key)",
)
QUERIES = [f"posts:{number}" for number in range(6)]
KEYS = [f"setting:{number}" for number in range(4)]


def made(name: str, queries: tuple[str, ...], keys: frozenset[str]) -> Made:
    target = Target(f"{name}/index.html", f"/{name}/", "post", "template", "post.html", {"id": name})
    reads = Reads(((1, 3),), queries, keys)
    return Made(target, OutputFile(target.path, "00", 1, Phase.PAGES), reads, "{}")


def answers(queries: tuple[str, ...]) -> dict[str, Answer]:
    return {name: Answer(name.encode(), (Footprint("post"), Footprint(f"tag={name}"))) for name in queries}


def change(connection: Connection, *outputs: Made, gone: tuple[str, ...] = ()) -> None:
    trace = Trace(connection)
    with transaction(connection):
        ids = [output.id for name in gone if (output := trace.at(f"{name}/index.html")) is not None]
        trace.remove(ids)
        for output in outputs:
            trace.record([output], answers(output.reads.queries).get, lambda key: key.encode(), 1)
        trace.sweep()


def known(connection: Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM key")}


def test_a_key_is_forgotten_with_its_last_reader_and_no_sooner(blog: Blog) -> None:
    change(blog.connection, made("a", ("posts:1",), frozenset({"setting:1"})))
    change(blog.connection, made("b", ("posts:1",), frozenset({"setting:1", "setting:2"})))
    change(blog.connection, gone=("b",))
    assert known(blog.connection) == {"posts:1", "setting:1"}
    change(blog.connection, made("a", ("posts:2",), frozenset()))
    assert known(blog.connection) == {"posts:2"}


def test_what_one_output_lets_go_of_and_another_takes_up_is_kept(blog: Blog) -> None:
    change(blog.connection, made("a", ("posts:1",), frozenset({"setting:1"})))
    change(blog.connection, made("b", ("posts:1",), frozenset({"setting:1"})), gone=("a",))
    assert known(blog.connection) == {"posts:1", "setting:1"}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_left_over_whatever_outputs_come_and_go(blog: Blog, seed: int) -> None:
    chance = random.Random(seed)
    read: dict[str, set[str]] = {}
    for _ in range(60):
        names = chance.sample("abcdefgh", 3)
        gone = names.pop() if chance.random() < 0.5 else None
        outputs = []
        for name in names:
            queries = tuple(chance.sample(QUERIES, chance.randint(0, 3)))
            keys = frozenset(chance.sample(KEYS, chance.randint(0, 2)))
            outputs.append(made(name, queries, keys))
            read[name] = {*queries, *keys}
        if gone is not None:
            read.pop(gone, None)
        change(blog.connection, *outputs, gone=() if gone is None else (gone,))
        assert known(blog.connection) == set().union(*read.values())
        assert [blog.connection.execute(sql).fetchone()[0] for sql in ORPHANS] == [0] * len(ORPHANS)
