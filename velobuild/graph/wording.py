"""Sentences for people who write themes and never saw this program's source: causes, lists, fields and keys in words.

Pure: titles and names are asked of a `Naming`, which the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from velobuild.graph.answers import COUNT, POSTS, RELATED, TOTAL
from velobuild.graph.changes import Cause
from velobuild.model.locales import plain_tag, tag_locale, year_of_value
from velobuild.model.outputs import Target
from velobuild.model.reads import EVERY_FIELD, Field

FIELDS = {
    Field.TITLE: "title",
    Field.URL: "address",
    Field.SLUG: "slug",
    Field.PUBLISHED: "date",
    Field.UPDATED: "time of its last change",
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
OF_CONFIG = " in velobuild.toml"
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
    """How posts and tags are called."""

    def post(self, id: str) -> str:
        """A post's title by its id."""
        ...

    def tag(self, key: str) -> str:
        """A tag's name by its key."""
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


def named_fields(names: str) -> int:
    """The set behind a cause's `detail`, such as `title, excerpt`."""
    fields = 0
    for name in filter(None, names.split(", ")):
        fields |= Field[name.upper()]
    return fields


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


def chain(cause: Cause, target: Target, naming: Naming) -> tuple[str, ...]:
    """Why an output was rendered: from what changed to the page, one sentence a step."""
    match cause.kind:
        case "post":
            return _post_chain(cause, target)
        case "all":
            return (sentence(_whole_words(cause.name)), "So every page was rendered.")
        case "new":
            return _new_chain(cause, target)
        case "route":
            return (_other_page(cause, target),)
        case "failed":
            return ("This page could not be rendered before; it is tried again in every build.",)
        case "file":
            return ("Its published file had been changed or removed by hand.", "So it was written again.")
        case "template":
            return (sentence(cause.behind), "This page is made with it.")
        case "asset":
            return (
                sentence(cause.behind),
                "This page links to it, and the link holds a mark of its content so that browsers fetch it anew.",
            )
        case "posts" | "related":
            words = query_words(f"{cause.kind}:{cause.name}", naming)
            return (sentence(cause.behind), sentence(f"so this list changed: {words}"), "This page shows it.")
    words = key_words(f"{cause.kind}:{cause.name}" if cause.name else cause.kind, naming)
    return (sentence(cause.behind), sentence(f"so this changed: {words}"), "This page shows it.")


_ALL = {
    "nothing was built before": "this was the first build, as far as velobuild knows",
    "--clean": "the build was called with --clean",
    "--strict": "the build was called with --strict",
    "the build before was cut short": "the build before was cut short, so that what is live was not known",
}


def _whole_words(why: str) -> str:
    """Why every page was made anew; of several tables of the configuration the file is named once."""
    named = why.removesuffix(" changed")
    if why in _ALL or named == why:
        return _ALL.get(why, why)
    parts = named.split(" and ")
    tables = [part.removesuffix(OF_CONFIG) for part in parts if part.endswith(OF_CONFIG)]
    others = [part for part in parts if not part.endswith(OF_CONFIG)]
    return f"{listed([*others, *([listed(tables) + OF_CONFIG] if tables else [])])} changed"


def _post_chain(cause: Cause, target: Target) -> tuple[str, ...]:
    words = field_words(named_fields(cause.detail))
    own = target.route == "post"
    shown = listed([f"its {one}" for one in words])
    if cause.behind == "was edited":
        first = f"the post “{cause.name}” was edited: {shown}" if words else f"the post “{cause.name}” was edited"
    else:
        first = f"the post “{cause.name}” {cause.behind}"
    if cause.behind.startswith("was edited") and own:
        return (sentence(first), "This page shows that.")
    return (sentence(first), sentence(f"this page shows {shown}"))


def _new_chain(cause: Cause, target: Target) -> tuple[str, ...]:
    if cause.behind:
        return (sentence(cause.behind), "So there is this page, which was not there before.")
    if target.route in {"list", "tag", "year", "home"}:
        return (
            "A list got its first posts, or enough of them for another page.",
            "So there is this page, which was not there before.",
        )
    return (f"There is {ROUTES.get(target.route, 'an output')} now where there was none before.",)


def _other_page(cause: Cause, target: Target) -> str:
    now = ROUTES.get(target.route, target.route)
    before = cause.detail.partition(" ")[0]
    if before and before != target.route:
        return f"At this address was {ROUTES.get(before, before)} before; now it is {now}."
    if target.route in {"list", "tag", "year", "home"}:
        return "Its list has another number of posts or pages, so this page begins, ends or links elsewhere now."
    return f"It is still {now}, with other parameters."


def gone_words(cause: Cause) -> str:
    """Why an output was removed, as a sentence."""
    if cause.behind:
        return sentence(cause.behind)
    if cause.detail in {"list", "tag", "year", "home"}:
        return "Its list has fewer posts now, or none."
    return sentence(f"{ROUTES.get(cause.detail, 'this output')} is not wanted here any more")
