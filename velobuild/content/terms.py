"""The tags of a site as readers see them: one name and one slug for all spellings of a tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection as Sized
from collections.abc import Iterable
from dataclasses import dataclass

from velobuild.model.entries import DEVICE_NAMES, slugify
from velobuild.model.keys import fingerprint
from velobuild.model.locales import plain_tag, tag_locale

SPOKEN = {"+": " plus ", "#": " sharp ", "&": " and ", "@": " at "}


@dataclass(frozen=True, slots=True)
class Term:
    """A tag. `key` is equal for all its spellings, `name` the one that most posts use, `count` how many posts do."""

    key: str
    name: str
    slug: str
    count: int


def terms_of(rows: Iterable[tuple[str, str, int]], *, without: Sized[str] = frozenset()) -> list[Term]:
    """Terms by key, from (key, spelling, posts) rows. No two of a locale have one slug.

    Keys in `without` are left out, whatever their locale.
    """
    spellings: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for key, name, count in rows:
        if plain_tag(key) not in without:
            spellings[key].append((-count, name))
    terms: list[Term] = []
    taken: set[tuple[str, str]] = set()
    for key, names in sorted(spellings.items()):
        name = min(names)[1]
        slug, locale = tag_slug(name), tag_locale(key)
        if not slug or (locale, slug) in taken or slug in DEVICE_NAMES:
            slug = f"{slug or 'tag'}-{fingerprint(key).hex()[:6]}"
        taken.add((locale, slug))
        terms.append(Term(key, name, slug, -sum(count for count, _ in names)))
    return terms


def tag_slug(name: str) -> str:
    """A slug that keeps C, C++ and C# apart."""
    return slugify("".join(SPOKEN.get(char, char) for char in name))
