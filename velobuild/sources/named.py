"""Posts that somebody named, each read by itself and without any list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import Diagnostic
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta
from velobuild.model.ports import Warn
from velobuild.sources.posts import Tally
from velobuild.sources.records import ID, Repairs, Unusable, post_of, record_id, summary_of, title_of, unwrap

POSTS = Collection.POSTS


class NothingKnown:
    """A `Known` that holds nothing, so that every post that is asked for is given."""

    def holds(self, collection: Collection, id: str, version: str) -> bool:
        return False

    def ids(self, collection: Collection) -> Iterable[str]:
        return ()

    def versions(self, collection: Collection) -> dict[str, str]:
        return {}


def read_named(
    client: ApiClient, config: SourceConfig, limits: LimitsConfig, ids: Sequence[str], *, tally: Tally, warn: Warn
) -> Iterator[Delta]:
    """One call a post, and one delta for each of which the answer is certain: the post as it is, or that it is gone.

    A record that cannot be used gives none: what is known of it stays, and a whole reading says what is wrong with it.
    Raises TokenError, SourceUnavailable or ProtocolError.
    """
    for id in ids:
        if not ID.fullmatch(id):
            continue  # It would be a part of the address, and of another one.
        try:
            raw = unwrap(client.get_json(f"posts/{id}").body)
        except RecordMissing:
            tally.gone += 1
            yield Delta(POSTS, deletes=(id,))
            continue
        tally.bodies_fetched += 1
        repairs = Repairs()
        try:
            summary = summary_of(raw)
            if record_id(raw) != id:
                continue
            if not summary.published or (config.members_only == "skip" and not summary.public):
                tally.gone += 1
                yield Delta(POSTS, deletes=(id,))
                continue
            post = post_of(raw, limits=limits, repairs=repairs)
        except Unusable:
            continue
        for note in repairs.notes:
            warn(Diagnostic("VB3002", note, f"post {title_of(raw)}"))
        yield Delta(POSTS, upserts=(post,), versions={id: summary.version})
