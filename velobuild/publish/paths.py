"""Which paths may be published, and which of them would be one file on another computer. Pure."""

from __future__ import annotations

import unicodedata

from velobuild.content.places import folders_of
from velobuild.errors import GuardRefused

NAME_BYTES_MAX = 255
NO_NAMES = frozenset({"", ".", ".."})
PATH_BYTES_MAX = 2_000  # Linux allows 4,096 for the whole path, the folder of the site included


def check_path(path: str) -> str:
    """`path` itself, if it names a file below a folder: relative, NFC, `/` between plain names.

    Raises GuardRefused VB5003 for whatever could leave the folder or cannot be a file name everywhere.
    """
    reason = _fault(path)
    if reason is None:
        return path
    raise GuardRefused(
        f"an output path {reason}",
        code="VB5003",
        where=ascii(path[:200]),
        hint="change the slug of the post, or the URL pattern in velobuild.toml, that makes this path",
    )


def fold(path: str) -> str:
    """Equal for paths that are one file where case or Unicode normal form does not count (macOS, Windows)."""
    if path.isascii():
        low = path.lower()
        return path if low == path else low  # the same string, where it is kept, takes no room
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


class Claims:
    """The paths taken so far in a release; a second claim on a file, or on a folder that is a file, is refused."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def take(self, path: str) -> None:
        """Raises GuardRefused VB5003 if the path is unsafe, taken, or in another claim's way. Leaves no trace then."""
        check_path(path)
        key = fold(path)
        folders = folders_of(key)
        rival = self._files.get(key) or self._folders.get(key)
        rival = rival or next((self._files[folder] for folder in folders if folder in self._files), None)
        if rival is not None:
            raise GuardRefused(
                f"two outputs cannot both be published: {path} and {rival}",
                code="VB5003",
                where=path,
                hint="give one of the two posts, tags or pages another slug (letter case does not tell paths apart)",
            )
        self._files[key] = path
        for folder in folders:
            self._folders.setdefault(folder, path)

    def give_back(self, path: str) -> None:
        """Forget a claim whose file could not be made."""
        self._files.pop(fold(path), None)


def _fault(path: str) -> str | None:
    if not path:
        return "is empty"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    plain = path.isascii() and path.isprintable()
    if not plain and any(ord(character) < 32 or 127 <= ord(character) < 160 for character in path):
        return "holds a control character"
    if path.startswith("/"):
        return "is absolute"
    if "\\" in path:
        return "holds a backslash"
    names = path.split("/")
    if not NO_NAMES.isdisjoint(names):
        return "has an empty name, `.` or `..` in it"
    if not plain and unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode normal form NFC"
    if len(encoded) > NAME_BYTES_MAX and _is_too_long(encoded, names):
        return f"is too long (a name may have {NAME_BYTES_MAX} bytes)"
    return None


def _is_too_long(encoded: bytes, names: list[str]) -> bool:
    return len(encoded) > PATH_BYTES_MAX or any(len(name.encode()) > NAME_BYTES_MAX for name in names)
