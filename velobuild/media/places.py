"""Where a site's files come from: each CMS by its own rules of addresses, each folder from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from velobuild.config.schema import Secret
from velobuild.errors import GuardRefused
from velobuild.graph.site import Site
from velobuild.http.addresses import Address, AddressPolicy, read_address
from velobuild.http.downloaded import Downloaded, NotModified, Validators
from velobuild.media.folder import FolderFiles
from velobuild.media.uses import in_folder
from velobuild.model.ports import Clock, utc_now

if TYPE_CHECKING:
    from velobuild.http.download import Downloader


@dataclass(frozen=True, slots=True)
class Place:
    """One CMS, or with `folder` one folder on this machine."""

    policy: AddressPolicy
    folder: Path | None = None
    file_token: Callable[[], Secret] | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """All of them. An address belongs to the source whose own host it is, else to the first that allows it."""

    all: tuple[Place, ...]
    limit_bytes: int
    clock: Clock

    @classmethod
    def of(
        cls,
        site: Site,
        record_urls: Iterable[str],
        file_tokens: Mapping[str, Callable[[], Secret]] | None = None,
        *,
        clock: Clock = utc_now,
    ) -> Places:
        """`record_urls` are the full addresses of all media records; `file_tokens` goes by the sources' addresses.

        Raises ConfigError, GuardRefused as `AddressPolicy.of` does.
        """
        records = [url for url in record_urls if not in_folder(url)]
        found = []
        for source in site.config.sources:
            if source.address is None:
                continue
            if source.type == "folder":
                found.append(Place(AddressPolicy.of(source.address), site.root / source.path))
            # What a folder's posts name on the web comes from the hosts that the configuration names, and no others.
            allowed = [] if source.type == "folder" else records
            policy = AddressPolicy.of(source.address, record_urls=allowed, media_hosts=source.media_hosts)
            found.append(Place(policy, file_token=(file_tokens or {}).get(source.address)))
        return cls(tuple(found), site.config.limits.media_bytes, clock)

    def place_of(self, url: str) -> Place:
        """Raises GuardRefused (VB4002)."""
        origin = read_address(url).origin
        own = [place for place in self.all if place.policy.api == origin]
        refusal: GuardRefused | None = None
        for place in (*own, *self.all):
            try:
                place.policy.permit(url)
            except GuardRefused as error:
                # A folder knows no hosts; what a CMS says of an address is of more use.
                refusal = error if refusal is None or place.folder is None else refusal
            else:
                return place
        assert refusal is not None
        raise refusal

    def permit(self, url: str) -> Address:
        """The address of an allowed URL. Raises GuardRefused (VB4002)."""
        return self.place_of(url).policy.permit(url)

    def allows(self, url: str) -> bool:
        """Whether `permit` would let the URL pass."""
        try:
            self.place_of(url)
        except GuardRefused:
            return False
        return True

    def open(self, stop: Event) -> PlacesDownloads:
        """What one worker gets all files through; it ends early when `stop` is set."""
        return PlacesDownloads(self, stop)


class PlacesDownloads:
    """Files of all places for one thread; a connection is opened only when a file needs one. Close it at the end."""

    def __init__(self, places: Places, stop: Event) -> None:
        self._places = places
        self._stop = stop
        self._opened: dict[int, Downloader] = {}

    def download(
        self,
        url: str,
        into: Path,
        *,
        known: Validators | None = None,
        expected_size: int | None = None,
        spend: Callable[[int], None] = lambda _: None,
    ) -> Downloaded | NotModified:
        """See `Downloader.download`. A file of a folder spends nothing: it does not come over the network."""
        place = self._places.place_of(url)
        if place.folder is not None:
            files = FolderFiles(place.folder, limit_bytes=self._places.limit_bytes, clock=self._places.clock)
            return files.copy(url, into, known=known)
        downloader = self._opened.get(id(place))
        if downloader is None:
            from velobuild.http.download import Downloader  # not before: most builds fetch nothing

            downloader = self._opened[id(place)] = Downloader(
                place.policy, limit_bytes=self._places.limit_bytes, stop=self._stop, file_token=place.file_token
            )
        return downloader.download(url, into, known=known, expected_size=expected_size, spend=spend)

    def close(self) -> None:
        for downloader in self._opened.values():
            downloader.close()
