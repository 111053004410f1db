"""Sentences for people who write themes and never saw this program's source: causes, lists, fields and keys in words.

Pure: titles and names are asked of a `Naming`, which the caller gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from velobuild.graph.answers import COUNT, POSTS, RELATED, TOTAL
from velobuild.graph.invalidate import Cause
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
    words = {"tag": "with the tag “{}”", "year": "of the year {}", "author": "by the author {}"}
    found = [words[name].format(naming.tag(value) if name == "tag" else value) for name, value in map(tuple, where)]
    return f" {listed(found)}" if found else ""


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
        return plain[kind]
    if kind == "places":
        return f"the addresses and last changes of the posts of {name}" if name else "the addresses of all posts"
    patterns = {
        "setting": "the setting “{}” in the CMS",
        "term": "the name and address of the tag “{}”",
        "named": "which tag “{}” is",
        "page": "the site's own page {}",
        "media": "the picture {}",
        "template": "the template {}",
        "asset": "the static file {}",
    }
    return patterns[kind].format(naming.tag(name) if kind == "term" else name)


def chain(cause: Cause, target: Target, naming: Naming) -> tuple[str, ...]:
    """Why an output was rendered: from what changed to the page, one sentence a step."""
    match cause.kind:
        case "post":
            return _post_chain(cause, target)
        case "all":
            return (sentence(_ALL.get(cause.name, cause.name)), "So every page was rendered.")
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
        return ("Its list got posts, or more of them.", "So there is this page, which was not there before.")
    return (f"There is {ROUTES.get(target.route, 'an output')} here now, where there was none before.",)


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
