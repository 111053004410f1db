"""Words for people who write posts and themes and never saw this program's source: for lists, fields and keys.

Pure: titles and names are asked of a `Naming`, which the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from velobuild.graph.answers import COUNT, POSTS, RELATED, TOTAL
from velobuild.model.locales import plain_tag, tag_locale, year_of_value
from velobuild.model.reads import EVERY_FIELD, Field

FIELDS = {
    Field.TITLE: "title",
    Field.URL: "address",
    Field.SLUG: "slug",
    Field.PUBLISHED: "date",
    Field.UPDATED: "time of the last change",
    Field.TAGS: "tags",
    Field.EXCERPT: "excerpt",
    Field.CONTENT: "body",
    Field.TOC: "headings",
    Field.WORDS: "number of words",
    Field.MINUTES: "reading time",
    Field.COVER: "cover",
    Field.PICTURE: "first picture",
    Field.PREVIOUS: "link to the post before it",
    Field.NEXT: "link to the post after it",
    Field.COMMENTS: "comments",
    Field.AUTHOR: "author",
    Field.SEO: "title and description for search engines",
    Field.EXTRA: "extra fields",
}
EVERY = int(EVERY_FIELD)
NEARLY_ALL = 5
ROUTES = {
    "home": "the home page",
    "list": "a page of the list of all posts",
    "post": "the page of a post",
    "tag": "a page of a tag's list",
    "tags": "the list of tags",
    "archive": "the archive",
    "year": "a page of a year's list",
    "page": "a page of the site's own",
    "404": "the page for addresses that lead nowhere",
    "redirect": "a redirect",
    "feed": "a feed",
    "sitemap": "a sitemap",
    "robots": "the file for search engines' robots",
}


class Naming(Protocol):
    """How posts, tags and the site's own pages are called."""

    def post(self, id: str) -> str:
        """A post's title by its id."""
        ...

    def tag(self, key: str) -> str:
        """A tag's name by its key."""
        ...

    def page(self, id: str) -> str:
        """The title of a page of the site's own by its id."""
        ...


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = words or [""]
    return f"{', '.join(most)} and {last}" if most else last


def field_words(fields: int) -> list[str]:
    """The fields of a set, in a fixed order."""
    return [words for bit, words in FIELDS.items() if fields & bit]


def fields_listed(fields: int) -> str:
    """The fields of a set as a phrase; where nearly all are in it, those that are not."""
    unread = field_words(EVERY & ~fields)
    if len(unread) > NEARLY_ALL:
        return listed(field_words(fields))
    return f"everything but {listed(unread)}" if unread else "everything"


def sentence(clause: str) -> str:
    """With a capital letter and a full stop."""
    return f"{clause[:1].upper()}{clause[1:]}{'' if clause.endswith('.') else '.'}"


def query_words(key: str, naming: Naming) -> str:
    """What a query asks, such as `the newest 10 posts with the tag “tea”`."""
    kind, _, text = key.partition(":")
    values: dict[str, Any] = json.loads(text)
    if kind == RELATED:
        return f"the {values['limit']} posts most related to “{naming.post(values['id'])}”"
    of = _conditions(values.get("where", ()), naming)
    if kind == COUNT:
        return f"how many posts there are{of}"
    if kind == TOTAL:
        return f"how many pages the list of posts{of} has"
    if kind == POSTS:
        return _posts_words(values, of, naming)
    raise KeyError(key)


def _posts_words(values: dict[str, Any], of: str, naming: Naming) -> str:
    limit, start = values.get("limit"), values.get("offset", 0)
    order = values.get("order", "newest")
    for name, words in (("after_id", "older"), ("before_id", "newer")):
        if name in values:
            return f"the next {words} post{of} beside “{naming.post(values[name])}”"
    ways = {"newest": "counted from the newest", "oldest": "counted from the oldest", "title": "in the order of titles"}
    if not start and limit is None:
        return f"all posts{of}" + (", in the order of titles" if order == "title" else "")
    if not start and order != "title":
        return f"the {order} {limit} posts{of}" if limit != 1 else f"the {order} post{of}"
    reach = f"{start + 1} to {start + limit}" if limit is not None else f"{start + 1} and later"
    return f"posts {reach}{of}, {ways[order]}"


def _conditions(where: Sequence[Sequence[str]], naming: Naming) -> str:
    found = [_condition(name, value, naming) for name, value in map(tuple, where)]
    return f" {listed(found)}" if found else ""


def _condition(name: str, value: str, naming: Naming) -> str:
    match name:
        case "tag":
            return f"with {tag_words(value, naming)}"
        case "year":
            locale, year = year_of_value(value)
            return f"of the year {year}{language_mark(locale)}"
        case "locale":
            return f"in the language “{value}”"
        case "author":
            return f"by the author {value}"
    raise KeyError(name)


def tag_words(key: str, naming: Naming) -> str:
    """A tag by its name, and with its language where that is not the site's first: `the tag “Tee” (de)`."""
    return f"the tag “{plain_tag(naming.tag(key))}”{language_mark(tag_locale(key))}"


def language_mark(locale: str) -> str:
    """` (de)` behind what there is one of in each language; "" where there is nothing to tell apart."""
    return f" ({locale})" if locale else ""


def key_words(key: str, naming: Naming) -> str:
    """What a key stands for."""
    kind, _, name = key.partition(":")
    if kind in {POSTS, COUNT, TOTAL, RELATED}:
        return query_words(key, naming)
    plain = {
        "terms": "the list of all tags",
        "years": "the years that have posts",
        "months": "the months that have posts, with their numbers",
        "pages": "the titles and addresses of the site's own pages",
    }
    if kind in plain:
        return plain[kind] + language_mark(name)
    if kind == "places":
        return _places_words(name)
    if kind == "term":
        return f"the name and address of {tag_words(name, naming)}"
    if kind == "named":
        return f"which tag “{plain_tag(name)}” is{language_mark(tag_locale(name))}"
    if kind == "translations":
        return f"which translations there are of “{naming.post(name)}”"
    patterns = {
        "setting": "the setting “{}” in the CMS",
        "page": "the site's own page {}",
        "page-translations": "which translations there are of the site's own page {}",
        "media": "the picture {}",
        "template": "the template {}",
        "asset": "the static file {}",
    }
    return patterns[kind].format(name)


def _places_words(name: str) -> str:
    """What one file of the sitemap lists: all posts, or those of a month or a day, perhaps from a later one on."""
    span, _, start = name.partition(":")
    words = "the addresses and last changes of all posts"
    if span and span != "all":
        words += f" of {span}"
    return f"{words}, without the first {start}" if start else words
