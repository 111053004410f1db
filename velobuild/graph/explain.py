"""Why a page was rendered, or was not: the trace's rows as an account that a person can read.

Everything here only reads. It answers from what the builds wrote down, so it needs neither the CMS nor the theme.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from velobuild.content.database import Connection
from velobuild.graph.builds import Build, PostChange, build_of, last_build
from velobuild.graph.chains import chain
from velobuild.graph.changes import BECAUSE, Cause
from velobuild.graph.trace import Output, Trace
from velobuild.graph.wording import (
    ROUTES,
    field_words,
    fields_listed,
    key_words,
    language_mark,
    listed,
    sentence,
    tag_words,
)
from velobuild.model.locales import year_of_value
from velobuild.model.outputs import Target
from velobuild.model.reads import BODY_FIELDS, EVERY_FIELD, Field

SHOWN = 5
"""So many names of a kind are given; the rest is a number."""
SETTING = "setting:"
KINDS = {
    "template": "Templates",
    "asset": "Static files",
    "setting": "Settings",
    "media": "Pictures",
    "page": "The site's own pages",
}


class Names:
    """Titles and names by id, key and number, asked of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def post(self, id: str) -> str:
        return self._one("SELECT title FROM post WHERE id = ?", id)

    def tag(self, key: str) -> str:
        return self._one("SELECT name FROM term WHERE key = ?", key)

    def page(self, id: str) -> str:
        return self._one("SELECT json_extract(value, '$.title') FROM entry WHERE collection = 'pages' AND id = ?", id)

    def numbered(self, num: int) -> str:
        return self._one("SELECT title FROM post WHERE num = ?", num)

    @property
    def has_settings(self) -> bool:
        """Whether a CMS gives the site any. Where posts are files there are none: to name them would puzzle."""
        return self._connection.execute("SELECT 1 FROM entry WHERE collection = 'settings'").fetchone() is not None

    def number(self, id: str) -> int | None:
        row = self._connection.execute("SELECT num FROM post WHERE id = ?", (id,)).fetchone()
        return None if row is None else int(row[0])

    def _one(self, sql: str, key: object) -> str:
        row = self._connection.execute(sql, (key,)).fetchone()
        return str(key if row is None or row[0] is None else row[0])


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one kind that a page read. `more` is how many are not listed."""

    name: str
    lines: tuple[str, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """An output, why it is as it is, and what it depends on. Times are UTC timestamps."""

    path: str
    url: str
    what: str
    template: str | None
    build: int
    built_at: str | None
    in_last_build: bool
    chain: tuple[str, ...]
    stayed: tuple[str, ...]
    """Why the last build did not render it; () if it did."""
    depends_on: tuple[Group, ...]
    did_not_matter: tuple[str, ...]
    pending: tuple[str, ...]
    """What changed since the last build that this page reads."""


def explain(connection: Connection, output: Output) -> Explanation:
    """The account of one output."""
    trace, names = Trace(connection), Names(connection)
    last = last_build(connection)
    made = build_of(connection, output.build)
    posts, queries, keys = trace.reads_of(output.id)
    plain = [key for key in keys if not key.startswith(SETTING)]
    heard = keys if names.has_settings else plain
    fields = {num: read for num, read in posts if read}
    own = names.number(str(output.target.params["id"])) if output.target.route == "post" else None
    in_last = last is None or output.build == last.number
    return Explanation(
        path=output.target.path,
        url=output.target.url,
        what=what_it_is(output.target, names),
        template=output.target.template,
        build=output.build,
        built_at=None if made is None else made.at,
        in_last_build=in_last,
        chain=chain(cause_of(output), output.target, names),
        stayed=() if in_last or last is None else _stayed(last, fields, {*queries, *keys}, names),
        depends_on=_groups(own, fields, queries, heard, names),
        did_not_matter=_not_read(own, fields, queries, settings=names.has_settings and heard == plain),
        pending=_pending(connection, fields, names),
    )


def cause_of(output: Output) -> Cause:
    """Why an output was rendered last."""
    return Cause.decode(output.reason) if output.reason else Cause("all", "it was not written down why")


def what_it_is(target: Target, names: Names) -> str:
    """What stands at an address, in a few words."""
    params = target.params
    language = language_mark(str(params.get("locale", "")))
    match target.route:
        case "post":
            return f"the page of the post “{names.post(params['id'])}”"
        case "page":
            return f"the site's own page “{names.page(params['id'])}”"
        case "tag" if "number" in params:
            return f"page {params['number']} of the list of posts with {tag_words(params['tag'], names)}"
        case "year" if "number" in params:
            _, year = year_of_value(params["year"])
            return f"page {params['number']} of the list of posts of {year}{language}"
        case "list" if "number" in params:
            return f"page {params['number']} of the list of posts{language}"
        case "feed":
            return (
                f"the feed of {tag_words(params['tag'], names)}"
                if "tag" in params
                else f"the feed of the site{language}"
            )
        case "redirect":
            return f"a redirect to {params['target_url']}"
    return f"{ROUTES.get(target.route, target.route)}{language}"


def _groups(
    own: int | None, fields: dict[int, int], queries: Iterable[str], keys: Iterable[str], names: Names
) -> tuple[Group, ...]:
    found: list[Group] = []
    if own in fields:
        found.append(Group("Its own post", (f"“{names.numbered(own)}”: {fields_listed(fields[own])}",)))
    alike: dict[int, list[int]] = defaultdict(list)
    for num, read in fields.items():
        if num != own:
            alike[read].append(num)
    lines = [_posts_line(nums, read, names) for read, nums in sorted(alike.items(), key=lambda row: -len(row[1]))]
    if lines:
        found.append(_group("Other posts" if own is not None else "Posts", lines))
    asked = [key_words(key, names) for key in queries]
    if asked:
        found.append(_group("Lists and numbers of posts", asked))
    by_kind: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        kind, _, name = key.partition(":")
        known = kind in KINDS
        by_kind[KINDS.get(kind, "Tags, years and addresses")].append(name if known else key_words(key, names))
    return (*found, *(_group(name, by_kind[name]) for name in sorted(by_kind)))


def _group(name: str, lines: list[str]) -> Group:
    limit = 40 if name == "Templates" else 4 * SHOWN
    return Group(name, tuple(lines[:limit]), len(lines[limit:]))


def _posts_line(nums: list[int], read: int, names: Names) -> str:
    titles = [f"“{names.numbered(num)}”" for num in nums[:SHOWN]]
    more = len(nums) - len(titles)
    shown = f"{', '.join(titles)} and {more} more" if more else listed(titles)
    return f"{fields_listed(read)} of {shown}"


def _not_read(own: int | None, fields: dict[int, int], queries: list[str], *, settings: bool) -> tuple[str, ...]:
    """What a page might read, as others do, and does not: a change of it does not render the page.

    `settings` says that there are some in the CMS, and that the page asks for none.
    """
    found: list[str] = []
    others = [read for num, read in fields.items() if num != own]
    if own in fields:
        unread = field_words(int(EVERY_FIELD) & ~fields[own] & ~int(Field.SLUG))
        if unread:
            found.append(f"of its own post: {_some(unread)}")
    if others:
        together = 0
        for read in others:
            together |= read
        which = "the other post that it names" if len(others) == 1 else f"the {len(others)} other posts that it names"
        if own is None:
            which = "the post that it names" if len(others) == 1 else f"the {len(others)} posts that it names"
        if not together & Field.CONTENT:
            found.append(f"the body of {which}{_but_for(together & ~int(Field.CONTENT))}")
        rest = field_words(int(EVERY_FIELD) & ~together & ~int(Field.CONTENT | Field.SLUG))
        if rest:
            found.append(f"of {which} also: {_some(rest)}")
    if not queries:
        found.append("new posts: it asks for no list of posts")
    if settings:
        found.append("the site's settings in the CMS")
    return (*found, "templates that are not listed above, and comments in those that are")


def _but_for(fields: int) -> str:
    """What an edited body must leave as it was to render no page that shows these fields."""
    made_of_it = field_words(fields & int(BODY_FIELDS))
    if not made_of_it:
        return ": editing one does not render this page"
    return f", as long as its {listed(made_of_it)} {'stays' if len(made_of_it) == 1 else 'stay'} the same"


def _some(words: list[str]) -> str:
    return listed(words) if len(words) <= SHOWN else f"{', '.join(words[:SHOWN])} and {len(words) - SHOWN} other fields"


def _stayed(last: Build, fields: dict[int, int], keys: set[str], names: Names) -> tuple[str, ...]:
    """Why the last build did not render a page, one line a change."""
    found = []
    for change in last.posts:
        if change.fate:
            title = change.title or names.numbered(change.num)
            found.append(_beside(replace(change, title=title), fields.get(change.num, 0)))
    other = [change.key for change in last.keys if change.key not in keys]
    if other:
        some = listed([key_words(key, names) for key in other[:2]])
        more = f" and {len(other) - 2} more" if len(other) > 2 else ""
        found.append(f"these changed, and it does not read them: {some}{more}")
    shown = found[:SHOWN]
    if len(found) > SHOWN or last.more:
        shown.append(f"and {len(found) - len(shown) + last.more} further changes that it does not read")
    return tuple(sentence(line) for line in shown)


def _beside(change: PostChange, read: int) -> str:
    words = field_words(change.fields)
    all_of_it = change.fields == int(EVERY_FIELD)
    effect, _, root = change.fate.partition(BECAUSE)
    what = f"{root}, so the post “{change.title}” {effect}" if root else f"the post “{change.title}” {effect}"
    what += "" if all_of_it else f" ({listed(words)})"
    if read:
        return f"{what}; of that post this page reads only: {fields_listed(read)}"
    return f"{what}; this page reads nothing of that post"


def _pending(connection: Connection, fields: dict[int, int], names: Names) -> tuple[str, ...]:
    """What changed since the last build, as far as it is certain that this page reads some of it."""
    rows = connection.execute(
        "SELECT num, title FROM dirty JOIN post ON post.id = dirty.id WHERE kind = 'posts' ORDER BY num"
    )
    return tuple(f"the post “{title}”" for num, title in rows if num in fields)
