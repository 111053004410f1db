"""What the sources that ask an API have in common: what they are given, their tally, and how they do without a part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from velobuild.config.schema import LimitsConfig, SourceConfig
from velobuild.errors import Diagnostic, TokenError
from velobuild.http.client import ApiClient
from velobuild.http.errors import RecordMissing
from velobuild.model.entries import Collection, Delta, Media, SiteSettings
from velobuild.model.ports import Clock, Known, Progress, Warn, utc_now
from velobuild.sources.listing import no_progress
from velobuild.sources.posts import Tally, left_out
from velobuild.sources.records import Unusable, version_of_entry


class ApiSource:
    """The beginning of a `Source`. After `changes` was read to its end, or stopped with an error, `tally` tells what
    was done. `drafts` brings drafts too, for a preview, where the CMS can show any."""

    def __init__(
        self,
        client: ApiClient,
        config: SourceConfig,
        limits: LimitsConfig,
        *,
        clock: Clock = utc_now,
        warn: Warn = lambda finding: None,
        progress: Progress = no_progress,
        drafts: bool = False,
    ) -> None:
        self._client = client
        self._config = config
        self._limits = limits
        self._clock = clock
        self._warn = warn
        self._progress = progress
        self._drafts = drafts
        self._tally = Tally()

    @property
    def tally(self) -> Tally:
        self._tally.usage = self._client.usage
        return self._tally

    @property
    def _token_counts(self) -> bool:
        """Whether a refusal is about a token, and not about there being none where none is needed."""
        return True

    def _leave_out(self, name: str, error: Unusable) -> None:
        """Go on without a record that cannot be used."""
        self._tally.left_out += 1
        self._warn(left_out(name, str(error)))

    def _without(self, collection: Collection, error: TokenError | RecordMissing, *, where: str, hint: str) -> None:
        """Go on without an optional collection; a token that is refused altogether is no such case."""
        if error.code == "VB2001" and self._token_counts:
            raise error
        self._warn(
            Diagnostic(
                "VB2207",
                f"{collection.value} are not available ({error}); what was fetched before is kept",
                where,
                hint,
            )
        )


def new_media(
    known: Known, pages: Iterable[list[Any]], entry: Callable[[Any], Media | None], versions: dict[str, str]
) -> Iterator[Delta]:
    """What is new in a list of media records, a delta for each page that has some. `versions` gets those of all."""
    for records in pages:
        news: list[Media] = []
        for record in records:
            media = entry(record)
            if media is not None:
                versions[media.id] = version_of_entry(media)
                if not known.holds(Collection.MEDIA, media.id, versions[media.id]):
                    news.append(media)
        if news:
            new = {media.id: versions[media.id] for media in news}
            yield Delta(Collection.MEDIA, upserts=tuple(news), versions=new)


def whole_settings(known: Known, settings: SiteSettings, *, cursor: str | None = None) -> Delta:
    """The closing delta of a site's settings, which are one entry."""
    version = version_of_entry(settings)
    held = known.holds(Collection.SETTINGS, settings.id, version)
    versions = {settings.id: version}
    return Delta(Collection.SETTINGS, () if held else (settings,), versions, cursor=cursor, complete=True)
