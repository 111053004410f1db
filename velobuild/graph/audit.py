"""The trace, looked at from the other side: every key is asked again, every row is compared with what it stands for.

An update looks only where a change must have fallen. This looks everywhere, so whatever an update missed shows here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass

from velobuild.content.checking import wrong_entries
from velobuild.content.database import Connection
from velobuild.graph.answers import Answers, is_query
from velobuild.graph.explain import Names
from velobuild.graph.named import Named
from velobuild.graph.trace import Trace
from velobuild.graph.wording import key_words, sentence
from velobuild.model.reads import Reads

ANEW = "`velobuild build --clean` makes every page anew; please report this, for it should not happen."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what velobuild wrote down. `kind` is `entry`, `key`, `row`, `file` or `page`."""

    kind: str
    subject: str
    what: str
    matters: str


def audit_entries(connection: Connection) -> Iterator[Finding]:
    """Entries that were changed behind the store's back."""
    names = Names(connection)
    for kind, id, what in wrong_entries(connection):
        subject = f"the post “{names.post(id)}” (id {id})" if kind == "posts" else f"{kind} {id}"
        yield Finding(
            "entry",
            subject,
            what,
            "Pages show it only when something else renders them, and the CMS is not asked for it again. Move "
            ".velobuild/site.db away: the next build fetches everything.",
        )


def audit_keys(connection: Connection, answers: Answers, named: Named, pending: Container[str]) -> Iterator[Finding]:
    """Keys that answer otherwise than the trace says, but for those of which the next build knows (`pending`)."""
    trace, names = Trace(connection), Names(connection)
    every = trace.keys()
    for key, stamp in every:
        if key in pending:
            continue
        try:
            now = answers.answer(key).fingerprint if is_query(key) else named.fingerprint(key)
        except (KeyError, ValueError, TypeError) as error:
            yield Finding("key", key, f"it cannot be asked ({type(error).__name__})", ANEW)
            continue
        if now != stamp:
            readers = len(trace.readers_of_key(key))
            yield Finding(
                "key",
                key,
                sentence(f"{key_words(key, names)}: that is another now, and no change was noted that says why"),
                f"{readers} page{'' if readers == 1 else 's'} may show how it was. {ANEW}",
            )


def audit_rows(connection: Connection) -> Iterator[Finding]:
    """Outputs whose reads are not found by those that look for the readers of a change."""
    posts: dict[int, dict[int, int]] = defaultdict(dict)
    queries: dict[int, set[int]] = defaultdict(set)
    for post, output, fields in connection.execute("SELECT post, output, fields FROM post_read"):
        posts[output][post] = fields
    for key, output in connection.execute("SELECT key, output FROM query_read"):
        queries[output].add(key)
    known = {id for (id,) in connection.execute("SELECT id FROM key")}
    for id, path, reads in connection.execute("SELECT id, path, reads FROM output ORDER BY path"):
        flat, asked = json.loads(reads)
        read = {post: fields for post, fields in zip(flat[::2], flat[1::2], strict=True) if fields}
        looked_up = (posts.pop(id, {}), queries.pop(id, set()))
        if looked_up != (read, set(asked)) or not known.issuperset(asked):
            what = "what it read and what is looked up when something changes are not the same"
            yield Finding("row", f"/{path}", what, f"A change may pass this page by. {ANEW}")
    for id in sorted({*posts, *queries}):
        yield Finding("row", f"output {id}", "there are reads of an output that does not exist", ANEW)


def reads_differ(connection: Connection, id: int, reads: Reads) -> bool:
    """Whether an output reads now what the trace says it read."""
    posts, queries, keys = Trace(connection).reads_of(id)
    now = (dict(reads.posts), set(reads.queries), set(reads.keys))
    return (dict(posts), set(queries), set(keys)) != now
