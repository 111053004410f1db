"""The languages of a site that is written in several: which a post is in, and how the site's parts are told apart.

A site in one language has no locales, and nothing here changes a name of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from velobuild.model.entries import SOURCE_MARK, source_of

LOCALE, TRANSLATION_OF = "locale", "translation_of"
"""Under which names of its `extra` an entry says its language, and of which entry it is a translation."""
TAG_MARK = "\x1f"
"""Between a locale and a tag's key. No tag holds a control character, so no tag can be taken for one of a locale."""
YEAR_MARK = "/"


@dataclass(frozen=True, slots=True)
class Locales:
    """The locales of a site, the default one first; none where it has a single language."""

    codes: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        return self.codes[0] if self.codes else ""

    @property
    def others(self) -> tuple[str, ...]:
        """All but the default one: those whose tree has a folder."""
        return self.codes[1:]

    @property
    def trees(self) -> tuple[str, ...]:
        """One for each tree of the site: of a site in one language "" alone."""
        return self.codes or ("",)

    def of(self, extra: Mapping[str, Any]) -> str:
        """The locale of an entry. What says none, or one that the site does not have, is in the default one."""
        said = extra.get(LOCALE)
        return said if isinstance(said, str) and said in self.codes else self.default

    def scope(self, locale: str) -> str:
        """What a locale adds to names; the default one adds nothing, so that a second language renames nothing."""
        return locale if locale in self.others else ""

    def folder(self, locale: str) -> str:
        """What stands before every path of a locale: `/de`, and "" for the default one."""
        return f"/{locale}" if locale in self.others else ""

    def at(self, path: str) -> str:
        """The locale in whose tree a path lies."""
        first = path.lstrip("/").partition("/")[0]
        return first if first in self.others else self.default

    def tag(self, key: str, locale: str) -> str:
        """The key of a tag in a locale: each language has tags of its own. In the default one it is the plain key."""
        return f"{locale}{TAG_MARK}{key}" if locale in self.others else key

    def scoped(self, kind: str, locale: str) -> str:
        """The name of a key that each locale has one of: `years:de`, and `years` in the default one."""
        return f"{kind}:{locale}" if locale in self.others else kind

    def group(self, id: str, extra: Mapping[str, Any]) -> str | None:
        """Equal for entries that are translations of each other; None where the site has one language."""
        if not self.codes:
            return None
        said = extra.get(TRANSLATION_OF)
        if not isinstance(said, str) or not said:
            return id
        source = source_of(id)
        return f"{source}{SOURCE_MARK}{said}" if source else said


ONE_LANGUAGE = Locales()


def tag_locale(key: str) -> str:
    """The locale of a tag's key; "" for the default one."""
    locale, mark, _ = key.partition(TAG_MARK)
    return locale if mark else ""


def plain_tag(key: str) -> str:
    """A tag's key without its locale."""
    return key.rpartition(TAG_MARK)[2]


def year_value(year: int, locale: str) -> str:
    """How a query and a facet name a year of a locale: `de/2026`; without locales `2026`."""
    return f"{locale}{YEAR_MARK}{year}" if locale else str(year)


def year_of_value(value: str) -> tuple[str, int]:
    """(locale, year) of what `year_value` gave."""
    locale, _, year = value.rpartition(YEAR_MARK)
    return locale, int(year)
