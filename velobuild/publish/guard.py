"""The last look before a release goes live: does the site shrink, does it hold a secret?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from velobuild.config.schema import Secret
from velobuild.errors import GuardRefused
from velobuild.model.outputs import OutputChange, OutputFile, OutputKind
from velobuild.publish.disk import CHUNK_BYTES, disk_errors, open_regular, parent_of
from velobuild.publish.manifest import Manifest

SECRET_CHARS_MIN = 8  # a shorter secret would be found in any text


@dataclass(frozen=True, slots=True)
class Staged:
    """A release about to go live. New and rewritten files lie below `folder`; `live` is what they replace."""

    folder: Path
    live: Manifest | None
    files: Mapping[str, OutputFile]
    changes: tuple[OutputChange, ...]

    @property
    def written(self) -> tuple[str, ...]:
        """The paths whose bytes are not those of the live release."""
        new = (OutputKind.CREATED, OutputKind.REWRITTEN)
        return tuple(change.path for change in self.changes if change.kind in new)


Guard = Callable[[Staged], None]
"""Called between verification and the swap; raises GuardRefused to keep the live site as it is."""


def shrink(before: int, after: int, *, percent: int, posts: int, allowed: bool = False, may_empty: bool = True) -> None:
    """Refuse a fall from `before` posts to `after` that is more than `percent` of them and more than `posts`.

    Unless the source `may_empty` the site, every fall to none is refused too. Raises GuardRefused VB5001, unless
    `allowed`.
    """
    lost = before - after
    emptied = before > 0 and after == 0 and not may_empty
    if allowed or not (emptied or (lost > posts and lost * 100 > percent * before)):
        return
    raise GuardRefused(
        f"{lost} of {before} posts would vanish from the site",
        code="VB5001",
        hint="look in the CMS whether they are really gone; if so, build once with --allow-shrink",
    )


class SecretScan:
    """Refuses a release in which a secret stands: as it is, or URL-, JSON-, HTML- or base64-encoded.

    Only files whose bytes are new are read, a chunk at a time; the names of files count too.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        found = [(form, secret.origin) for secret in secrets for form in disguises(secret.reveal())]
        self._forms = sorted(set(found))
        self._overlap_bytes = max((len(form) for form, _ in found), default=1) - 1

    def __call__(self, staged: Staged) -> None:
        """Raises GuardRefused VB5002, which names the file and where the secret came from, never the secret."""
        if not self._forms:
            return
        for path in staged.written:
            if (origin := self._found_in([path.encode()])) is not None:
                raise _leak("the name of a file that would be published", origin)
            with disk_errors("a staged file cannot be read", path):
                origin = self._scan(staged.folder, path)
            if origin is not None:
                raise _leak(path, origin)

    def _scan(self, folder: Path, path: str) -> str | None:
        with parent_of(folder, path) as (parent, name), open_regular(parent, name) as file:
            return self._found_in(iter(lambda: os.read(file, CHUNK_BYTES), b""))

    def _found_in(self, chunks: Iterable[bytes]) -> str | None:
        """The origin of the first secret found. A secret across the border of two chunks is found as well."""
        tail = b""
        for chunk in chunks:
            text = tail + chunk
            for form, origin in self._forms:
                if form in text:
                    return origin
            tail = text[-self._overlap_bytes :] if self._overlap_bytes else b""
        return None


def disguises(secret: str) -> frozenset[bytes]:
    """The byte strings under which a secret may stand in a file; none for secrets of fewer than 8 characters."""
    if len(secret) < SECRET_CHARS_MIN:
        return frozenset()
    from html import escape  # 2 ms, for its table of names: most builds publish nothing

    as_json = json.dumps(secret)[1:-1]
    texts = {
        secret,
        quote(secret, safe=""),
        quote(secret, safe="").lower() if "%" in quote(secret, safe="") else secret,
        quote_plus(secret),
        as_json,
        as_json.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),  # as MarkupSafe writes them
    }
    return frozenset({text.encode() for text in texts} | _base64_forms(secret.encode()))


def _base64_forms(secret: bytes) -> set[bytes]:
    """What base64 makes of the secret inside a longer text, for each of the three ways it can fall on the grid.

    The first and last characters of each form depend on the neighbours and are left off.
    """
    from base64 import b64encode

    forms = set()
    for lead in range(3):
        encoded = b64encode(b"\0" * lead + secret)
        begin = (lead * 8 + 5) // 6
        end = (lead + len(secret)) * 8 // 6
        inner = encoded[begin:end]
        forms |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def _leak(where: str, origin: str) -> GuardRefused:
    return GuardRefused(
        f"a secret stands in the output ({origin or 'a configured token'})",
        code="VB5002",
        where=where,
        hint="remove it from the post, template or setting that prints it, and replace the secret: it was written down",
    )
