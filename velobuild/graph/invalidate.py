"""From what changed to what must be made anew: exact for fields and names, by footprints for queries.

A footprint says only when to look; the fingerprint decides. What is marked here without need costs a rendering; what
were forgotten here would be a wrong page, so in doubt a field counts as changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from velobuild.content import tallies
from velobuild.content.codec import tag_key
from velobuild.content.database import Connection
from velobuild.content.dirty import ASSET, PostBefore, marked
from velobuild.content.memo import Memo, memo_key
from velobuild.graph.answers import POSTS, Answers
from velobuild.graph.bodies import link_name, recipe_of
from velobuild.graph.changes import BECAUSE, Cause, Changed, field_names
from velobuild.graph.fates import altered_places, fate_of_file, fate_of_post
from velobuild.graph.named import Named
from velobuild.graph.posts import minutes_of
from velobuild.graph.reader import Reader
from velobuild.graph.trace import Trace
from velobuild.markup.prepare import Prepared, decode
from velobuild.model.entries import Collection
from velobuild.model.keys import Query
from velobuild.model.locales import tag_locale, year_of_value
from velobuild.model.reads import BODY_FIELDS, EVERY_FIELD, Field, Image, touched

COUNTED = "posts came, went or got other dates"
OWN_PAGES = "a page of the site's own was added, removed or edited"
PICTURES = "a picture, or its record in the CMS, was added, replaced or removed"
NOW = (
    "SELECT num, path, permalink.slug, post.sort_at, value, input "
    "FROM post JOIN permalink ON permalink.post_id = post.id "
    "JOIN entry ON collection = 'posts' AND entry.id = post.id JOIN body ON body.post_id = post.id WHERE post.id = ?"
)
OLDER = (
    "SELECT id, num FROM post JOIN permalink ON post_id = id WHERE status = 'published' "
    "AND (sort_at, id) < (?, ?) AND locale = ? ORDER BY sort_at DESC, id DESC LIMIT 1"
)
NEWER = (
    "SELECT id, num FROM post JOIN permalink ON post_id = id WHERE status = 'published' "
    "AND (sort_at, id) > (?, ?) AND locale = ? ORDER BY sort_at, id LIMIT 1"
)
OF_FILES = ("template:", "asset:")
VERSIONS = "SELECT sort_at FROM post WHERE translation = ? AND translation IS NOT NULL ORDER BY sort_at"
USERS = "SELECT post_id FROM media_use WHERE url = ?"
PAGE = "SELECT value FROM entry WHERE collection = 'pages' AND id = ?"
NUM = "SELECT num FROM post JOIN permalink ON post_id = id WHERE id = ?"


class Differences:
    """Compares the marked entries as they were with what they are."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self._connection = connection
        self._reader = reader
        self._memo = Memo(connection)
        self._recipe = recipe_of(reader.site.post_markup)
        self._locales = reader.site.locales
        self.changed = Changed()

    def all(self) -> Changed:
        names: set[str] = set()
        media = False
        for entry in marked(self._connection):
            if entry.kind == Collection.POSTS:
                names |= self._post(entry.id, entry.before)
            elif entry.kind == tallies.TERM:
                names |= self._term(entry.id, entry.before)
            elif entry.kind == Collection.COMMENTS:
                self._comment(entry.id, entry.before)
            elif entry.kind == ASSET:
                self._file(entry.id, "is new" if entry.before is None else "was replaced")
                media = True
            elif entry.kind == Collection.MEDIA:
                self._media(entry.id, entry.before)
                media = True
            elif entry.kind == Collection.SETTINGS:
                self.changed.settings = True
            elif entry.kind == Collection.PAGES:
                self.changed.pages = self.changed.moved = True
                names |= {link_name(f"/{row['path']}/") for row in (entry.before, self._page(entry.id)) if row}
        self._links(names | self._years())
        if self.changed.pages:
            self.changed.suspects.update(dict.fromkeys(("pages", "pages:", "page-translations:"), OWN_PAGES))
        if media or self.changed.moved or self.changed.pages:
            self.changed.suspects.update(
                {
                    "media:": "a picture, or its record in the CMS, was added, replaced or removed",
                    "page:": "a page of the site's own, or something that it links to, was edited",
                }
            )
        if self.changed.settings:
            self.changed.suspects["setting:"] = "the site's settings were changed in the CMS"
        if any(self.changed.lengths.values()):
            self.changed.suspects.update(dict.fromkeys(("years", "years:"), COUNTED))
        return self.changed

    # Posts.

    def _post(self, id: str, before: PostBefore | None) -> set[str]:
        """Note what is different of a post. The names under which links may have led to it."""
        after = self._now(id)
        if before is None and after is None:
            return set()
        one = after or before
        assert one is not None
        num, title = one.num, str(one.values["title"])
        old, new = self._image(id, before), self._image(id, after)
        self.changed.titles[num] = self.changed.names[id] = title
        fields = EVERY_FIELD if before is None or after is None else self._fields(before, after)
        self.changed.fates[num] = fate = fate_of_post(before, after, fields)
        if before is not None and before.num != num:
            self.changed.fields[before.num] |= EVERY_FIELD
        self.changed.fields[num] |= int(fields)
        where = f"the post “{title}” {altered_places(before, after) if before and after else fate}"
        if old != new:
            self.changed.touched.append((touched(old, new), where))
            self.changed.lengths.update(new.facets if new else ())
            self.changed.lengths.subtract(old.facets if old else ())
            if old is None or new is None or (old.sort_at, old.locale) != (new.sort_at, new.locale):
                self._neighbours(num, old, new, f"has another post beside it{BECAUSE}{where}")
        if fields & (Field.URL | Field.UPDATED) or old != new:
            self._listed([image.sort_at for image in (old, new) if image is not None], where)
        for group in {self._locales.group(id, post.values["extra"]) for post in (before, after) if post is not None}:
            if group is not None and (fields & (Field.URL | Field.EXTRA) or old is None or new is None):
                self.changed.suspects[f"translations:{group}"] = where
                self._listed([at for (at,) in self._connection.execute(VERSIONS, (group,))], where)
        return self._moves(id, before, after)

    def _listed(self, times: Iterable[str], where: str) -> None:
        """The files of the sitemap that list posts of these times, with the addresses of their translations."""
        # The last stands for all further parts of a day.
        spans = [span for at in times for span in (at[:7], at[:10], f"{at[:10]}:")]
        self.changed.suspects.update({f"places:{span}": where for span in ("all", *spans)})

    def _moves(self, id: str, before: PostBefore | None, after: PostBefore | None) -> set[str]:
        if before and after and (before.path, before.slug) == (after.path, after.slug):
            if before.values["slug"] == after.values["slug"]:
                return set()
        elif before and after and before.path == after.path:
            pass
        else:
            if before is not None:
                self.changed.gone[id] = before.path
            if after is not None:
                self.changed.born[id] = after.path
        self.changed.moved = True
        ways = [(link_name(one.path), one.slug, one.values["slug"]) for one in (before, after) if one]
        return {name for names in ways for name in names}

    def _fields(self, before: PostBefore, after: PostBefore) -> Field:
        old, new = before.values, after.values
        fields = Field(0)
        for name, own in (
            ("title", Field.TITLE),
            ("tags", Field.TAGS),
            ("updated_at", Field.UPDATED),
            ("published_at", Field.PUBLISHED),
            ("excerpt", Field.EXCERPT),
            ("author_id", Field.AUTHOR),
            ("cover_media_id", Field.COVER),
            ("seo_title", Field.SEO),
            ("seo_description", Field.SEO),
        ):
            if old[name] != new[name]:
                fields |= own
        if old["extra"] != new["extra"]:
            fields |= Field.EXTRA
            if old["extra"].get("author") != new["extra"].get("author"):
                fields |= Field.AUTHOR
        if before.sort_at != after.sort_at:
            fields |= Field.PUBLISHED
        if before.path != after.path:
            fields |= Field.URL
        if before.slug != after.slug:
            fields |= Field.SLUG
        if before.input != after.input:
            fields |= self._body_fields(before, after)
        return fields

    def _body_fields(self, before: PostBefore, after: PostBefore) -> Field:
        old, new = self._prepared(before.input), self._prepared(after.input)
        if old is None or new is None:
            return BODY_FIELDS
        fields = Field.CONTENT
        if old.text != new.text and not after.values["excerpt"]:
            fields |= Field.EXCERPT
        if old.toc != new.toc:
            fields |= Field.TOC
        if old.words != new.words:
            fields |= Field.WORDS
        if minutes_of(old.words) != minutes_of(new.words):
            fields |= Field.MINUTES
        if [ref for ref in old.refs if ref.kind == "image"] != [ref for ref in new.refs if ref.kind == "image"]:
            fields |= Field.PICTURE
        return fields

    def _prepared(self, input: bytes) -> Prepared | None:
        kept = self._memo.get(memo_key(self._recipe, input))
        return None if kept is None else decode(kept)

    def _now(self, id: str) -> PostBefore | None:
        row = self._connection.execute(NOW, (id,)).fetchone()
        if row is None:
            return None
        num, path, slug, sort_at, value, input = row
        return PostBefore(num, path, slug, sort_at, json.loads(value), bytes(input))

    def _image(self, id: str, post: PostBefore | None) -> Image | None:
        if post is None:
            return None
        values, locale = post.values, self._locales.of(post.values["extra"])
        tags = frozenset(self._locales.tag(tag_key(tag), locale) for tag in values["tags"])
        year = tallies.year_of(post.sort_at, self._reader.site.zone)
        return Image(id, post.sort_at, values["title"], year, values["author_id"], tags, locale)

    def _neighbours(self, num: int, old: Image | None, new: Image | None, fate: str) -> None:
        """Whose previous and next post is another: those beside the old place and beside the new one."""
        if new is not None:
            self.changed.fields[num] |= int(Field.PREVIOUS | Field.NEXT)
        for image in (old, new):
            if image is None:
                continue
            for sql, own in ((OLDER, Field.NEXT), (NEWER, Field.PREVIOUS)):
                beside = self._connection.execute(sql, (image.sort_at, image.id, image.locale)).fetchone()
                if beside is not None:
                    self.changed.fields[beside[1]] |= int(own)
                    self.changed.fates.setdefault(beside[1], fate)

    # Everything else.

    def _term(self, key: str, before: list[str] | None) -> set[str]:
        """A tag has another name or address, or came or went."""
        row = self._connection.execute("SELECT name, slug FROM term WHERE key = ?", (key,)).fetchone()
        name = (row or before or [key])[0]
        fate = "is new" if before is None else "is carried by no post any more" if row is None else "got another name"
        about = f"the tag “{name}” {fate}"
        for (id,) in self._connection.execute("SELECT post_id FROM tag WHERE tag = ?", (key,)).fetchall():
            self._mark(id, Field.TAGS, f"has a tag with another name or address{BECAUSE}{about}")
        self.changed.suspects.update({f"term:{key}": about, "terms": about, "terms:": about, "named:": about})
        self.changed.moved = True
        self.changed.renamed |= bool(before and row and before[1] != row[1])
        paths = [self._reader.tag_path(slug, tag_locale(key)) for _, slug in filter(None, (before, row))]
        return {link_name(path) for path in paths}

    def _comment(self, id: str, before: Mapping[str, str] | None) -> None:
        rows = self._connection.execute("SELECT post_id FROM comment_of WHERE id = ?", (id,)).fetchall()
        for post_id in {*(row[0] for row in rows), *([before["post_id"]] if before else ())}:
            self._mark(post_id, Field.COMMENTS, "got, lost or changed a comment")

    def _file(self, url: str, fate: str) -> None:
        about = f"the file {unquote(url.rpartition('/')[2])} {fate}"
        for (id,) in self._connection.execute(USERS, (url,)).fetchall():
            self._mark(id, Field.CONTENT | Field.PICTURE, f"shows or links to the new one{BECAUSE}{about}")
        for id in self._reader.pictures.media_ids_at(url):
            self._covered(id, f"has another cover{BECAUSE}{about}")

    def _media(self, id: str, before: Mapping[str, str] | None) -> None:
        self._covered(id, "has a cover whose record in the CMS changed")
        record = self._reader.pictures.media_record(id)
        urls = {url for url in ((before or {}).get("url"), record and record.url) if url}
        for address in sorted(map(self._reader.pictures.media_address, urls)):
            for (post_id,) in self._connection.execute(USERS, (address,)).fetchall():
                self._mark(post_id, Field.CONTENT | Field.PICTURE, "uses a file whose record in the CMS changed")

    def _covered(self, media_id: str, fate: str) -> None:
        for (id,) in self._connection.execute("SELECT id FROM post WHERE cover = ?", (media_id,)).fetchall():
            self._mark(id, Field.COVER, fate)

    def _page(self, id: str) -> Mapping[str, str] | None:
        row = self._connection.execute(PAGE, (id,)).fetchone()
        if row is None:
            return None
        found: Mapping[str, str] = json.loads(row[0])
        return found

    def _years(self) -> set[str]:
        """The names under which links may lead to the list of a year that came or went."""
        names = set()
        for facet, step in self.changed.lengths.items():
            kind, _, value = facet.partition("=")
            if kind == "year" and step and self._reader.site.config.urls.year:
                count = self._reader.answers.count(Query(where=(("year", value),)))
                if not count or count == step:
                    locale, year = year_of_value(value)
                    names.add(link_name(self._reader.year_path(year, locale)))
                    self.changed.moved = True
        return names

    def _links(self, names: Iterable[str]) -> None:
        for name in sorted(filter(None, names)):
            for (id,) in self._connection.execute("SELECT post_id FROM body_link WHERE name = ?", (name,)).fetchall():
                self._mark(
                    id,
                    Field.CONTENT,
                    f"links to an address that ends in /{name}/, and what stands there came, went or moved",
                )

    def _mark(self, post_id: str, fields: Field, fate: str) -> None:
        row = self._connection.execute(NUM, (post_id,)).fetchone()
        if row is not None:
            self.changed.fields[row[0]] |= int(fields)
            self.changed.fates.setdefault(row[0], fate)


def settle(trace: Trace, answers: Answers, named: Named, changed: Changed) -> None:
    """Ask every suspect once again. Those that answer otherwise count as changed."""
    for one, behind in changed.touched:
        for key in trace.suspects(one.facets, one.several, one.times):
            if key not in changed.answers:
                changed.answers[key] = answer = answers.answer(key)
                if trace.fingerprint(key) != answer.fingerprint:
                    changed.keys[key] = behind
    for name, behind in sorted(changed.suspects.items()):
        for key, stamp in trace.keys(name):
            if (key == name or name.endswith(":")) and key not in changed.stamps:
                changed.stamps[key] = now = named.fingerprint(key)
                if now != stamp:
                    changed.keys[key] = fate_of_file(key, stamp, now) if key.startswith(OF_FILES) else behind


def stale(trace: Trace, changed: Changed) -> dict[int, Cause]:
    """Output → the first cause for making it anew. Failed ones are always tried again."""
    found: dict[int, Cause] = {id: Cause("failed", "") for id in trace.failed()}
    # Those that were edited themselves first: that a neighbour is another now follows from them.
    for num, fields in sorted(changed.fields.items(), key=lambda row: (row[0] not in changed.titles, row[0])):
        if not fields:
            continue
        title, fate = changed.titles.get(num) or trace.title_of(num), changed.fates.get(num, "")
        for id, read in trace.readers_of_post(num, fields):
            found.setdefault(id, Cause("post", title, field_names(read), fate))
    for key, behind in sorted(changed.keys.items()):
        kind, _, name = key.partition(":")
        cause = Cause(kind, name, behind=behind)
        for id in trace.readers_of_key(key):
            if kind == POSTS and found.get(id, cause).kind == "post" and trace.output(id).target.route != "post":
                # That a post came, went or moved in its list says more than that the list showed something of it.
                found[id] = cause
            found.setdefault(id, cause)
    return found
