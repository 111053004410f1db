"""Which of PolyCMS's two generations answers at an address, and what its first answer tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from velobuild.config.schema import SourceConfig
from velobuild.errors import ConfigError, ProtocolError, SourceUnavailable, TokenError, VelobuildError
from velobuild.http.client import ApiClient, Usage
from velobuild.http.errors import RecordMissing
from velobuild.sources.opening import site_of
from velobuild.sources.polycms_api import LEGACY, V1, Addresses, Generation, base_of, numbers_of, other_api
from velobuild.sources.polycms_listing import changed_at, page_of
from velobuild.sources.polycms_posts import NEWEST_FIRST
from velobuild.sources.records import PUBLISHED

KEY_HINT = "make a key under Blog → Settings in PolyCMS, switch its REST API on there, and export it"


@dataclass(frozen=True, slots=True)
class Answering:
    """A generation that answers: `addresses` under which the CMS knows itself, `total` posts, and when the `newest` of
    them was changed, where that is known."""

    client: ApiClient
    generation: Generation
    addresses: Addresses
    total: int = 0
    newest: datetime | None = None


class Answers:
    """Asks the newer generation, then the older one, as far as the configuration leaves the choice."""

    def __init__(self, client: ApiClient, config: SourceConfig, *, has_token: bool) -> None:
        self._v1 = client
        self._legacy = client.beside(base_of(config, LEGACY), LEGACY.dialect)
        self._config = config
        self._has_token = has_token
        self.unasked = Answering(client, V1, Addresses.of(site_of(config)))
        """What is taken for true before anything was asked."""

    def usage(self, used: ApiClient) -> Usage:
        """The calls of both, and the limits of the one that is used."""
        other = self._legacy if used is self._v1 else self._v1
        return replace(used.usage, calls=used.usage.calls + other.usage.calls)

    def found(self) -> Answering:
        """Raises what the first one said, if none answers."""
        if self._config.api == "legacy":
            self._refuse_without_key()
            return self._older_unasked
        try:
            return self._look(self._v1, V1)
        except SourceUnavailable:
            raise
        except VelobuildError as error:
            if self._config.api == "v1":
                raise
            older = self._older(error)
            if older is None:
                raise
            return older

    def _look(self, client: ApiClient, generation: Generation) -> Answering:
        """One row of the list of posts. Raises what the client and `page_of` raise."""
        asked: dict[str, str | int] = {"status": PUBLISHED, "page": 1, "per_page": 1}
        if generation is V1:
            # Short rows, which one broken post does not make a failure.
            asked |= {"type": self._config.types[0], "compact": 1, **NEWEST_FIRST}
        where = f"{client.base_url}/posts"
        try:
            body = client.get_json("posts", asked).body
        except RecordMissing as error:
            raise other_api(where, "there is no list of posts") from error
        page = page_of(body, 1, generation=generation, resource="posts", where=where)
        dates = [at for at in map(changed_at, page.items) if at is not None]
        posts_first = generation is V1 and self._config.types[0] != "page"
        newest = max(dates) if posts_first and dates else None
        addresses = Addresses.of(site_of(self._config), body)
        return Answering(client, generation, addresses, numbers_of(body).total or 0, newest)

    def _older(self, found: VelobuildError) -> Answering | None:
        """The older generation, if it answers: with a list, or by asking for a key where the other asked for none."""
        try:
            answering = self._look(self._legacy, LEGACY)
        except TokenError as error:
            if error.code != "VB2001" or isinstance(found, TokenError):
                return None
            answering = self._older_unasked
        except (ConfigError, ProtocolError, SourceUnavailable):
            return None
        self._refuse_without_key(found)
        return answering

    @property
    def _older_unasked(self) -> Answering:
        return replace(self.unasked, client=self._legacy, generation=LEGACY)

    def _refuse_without_key(self, found: VelobuildError | None = None) -> None:
        if not self._has_token:
            raise ConfigError(
                "PolyCMS's older API gives nothing without a key",
                code="VB1201",
                where=f"environment variable {self._config.token_env}",
                hint=f"{KEY_HINT} as {self._config.token_env}",
            ) from found
