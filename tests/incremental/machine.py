"""Random lives of a site: every kind of change, in any order, and after a build the comparison with a clean one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.incremental.checks import check_trace
from tests.incremental.rig import NOON, THEME, Clean, Living, config, later, same
from velobuild.config.schema import (
    BuildConfig,
    FeedsConfig,
    PaginationConfig,
    RedirectConfig,
    SourceConfig,
    ThemeConfig,
    UrlsConfig,
)
from velobuild.model.entries import BodyFormat, Comment, Media, SiteSettings

MEMORY = Path("/dev/shm")
IDS = st.sampled_from([f"p{number}" for number in range(8)])
TAGS = st.lists(st.sampled_from(["tea", "Tea", "jam", "Bread", "c#", "c++"]), max_size=3, unique=True).map(tuple)
SLUGS = st.sampled_from(["p0", "p1", "p2", "tea", "neu", "Neu", "alt", "about", "tags"])
HOURS = st.sampled_from([-9000.0, -3000.0, -40.0, -7.0, -6.0, -5.0, -4.0, 0.0, 3.0, 30.0])
PIECES = st.sampled_from(
    [
        "<p>Plain words.</p>",
        '<p><a href="/p1/">one</a></p>',
        '<p><a href="/neu/">new</a> <a href="/blog/p2">by slug</a></p>',
        '<p><a href="/tags/tea/">tea</a> <a href="/archive/2026/">year</a> <a href="/about/">about</a></p>',
        '<p><img src="/media/a.png" alt="A"></p>',
        '<p><img src="https://cms.example/media/b.png"> <a href="/media/a.png">file</a></p>',
        "<h2>Heading</h2><p>More</p>",
        "<h3>Another</h3>",
        '<pre><code class="language-python">x = 1</code></pre>',
        f"<p>{'Long. ' * 250}</p>",
    ]
)
BODIES = st.lists(PIECES, min_size=1, max_size=4).map("".join)
# Where lists are, come and go; with what differs in letter case alone.
OWN_FILES = ["robots.txt", "own.txt", "tags/index.html", "tags/tea/index.html", "tags/jam/feed.xml", "index.html"]
OWN_FILES += ["page/1/index.html", "archive/2026/index.html", "sitemap.xml", "Tags/Bread/index.html"]
OWN_PAGES = {"about": None, "neu2": None, "own": "Tags/Jam", "year": "archive/2025"}
REDIRECTS = ["/tags/tea/", "/Tags/Jam/", "/archive/2025/", "/page/1/", "/tags/c/page/1/", "/tags/bread/feed.xml/old/"]
TEXTS = st.sampled_from(["One", "Two", "Zebra", "ähre", ""])
BROKEN = "{% if %}"
ADA: dict[str, Any] = {"author": {"name": "Ada"}}
TEMPLATES: Mapping[str, tuple[str | None, ...]] = {
    "maybe.html": (None, "<p>now here {{ site.posts.newest(1)[0].title if site.posts else '' }}</p>", BROKEN),
    "absent.html": (None, "<p>{{ site.tags | length }} tags</p>", BROKEN),
    "footer.html": (None, "<footer>{{ site.tags[0].name if site.tags else '' }}</footer>", "<footer>other</footer>"),
    "redirect.html": (None, '<a href="{{ target_url }}">moved</a>'),
    "box-tag.html": (None, "<i>{{ tag.name }} {{ site.posts.where(tag=tag).newest(1)[0].title }}</i>"),
    "box-post.html": (None, "<i>{{ post.updated | isodate }} {{ post.slug }}</i>"),
    "own-p1.html": (None, "<i>{{ site.posts.oldest(1)[0].title }}</i>"),
    "macros.html": (None, BROKEN),
}
SOURCES = (
    SourceConfig(name="a", url="https://cms.example", comments=True),
    SourceConfig(name="b", url="https://b.example"),
)


def edit(**given: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule that changes something. Now and then a build follows: several changes at once hide from one another what
    a single one shows, and the other way round."""

    def as_rule(change: Callable[..., None]) -> Any:
        def step(self: Life, then_build: bool, **values: Any) -> None:
            change(self, **values)
            self.changed = True
            if then_build:
                self.compare()

        step.__name__ = change.__name__
        return rule(then_build=st.sampled_from([False, True, False]), **given)(step)

    return as_rule


class Life(RuleBasedStateMachine):
    """One site and its edits."""

    locales: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        # One place for all lives of a process: templates are compiled once for a path.
        self.folder = (MEMORY if MEMORY.is_dir() else Path(gettempdir())) / f"life-{os.getpid()}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.living = Living(self.folder)
        self.under_way: tuple[dict[str, bytes], Clean] | None = None
        self.changed = False
        self.unmended: set[str] = set()
        """Posts that cannot be shown now: a build keeps their last good page, which a clean one cannot know."""
        self.always: dict[str, Any] = {}

    @initialize(count=st.integers(0, 6), tags=TAGS, in_place=st.booleans(), several=st.booleans())
    def begin(self, count: int, tags: tuple[str, ...], in_place: bool, several: bool) -> None:
        if in_place:
            self.always["build"] = BuildConfig(jobs=1, publish="in-place")
        if several:
            self.always.update(source=SOURCES[0], more_sources=SOURCES[1:])
            self.living.names = {f"p{number}": f"{'ab'[number % 2]}:p{number}" for number in range(10)}
        self.living.config = config(**self.always)
        for number in range(count):
            self.living.post(f"p{number}", published_at=later(-number * 5), tags=tags[number % 2 :])
            if self.locales:
                self.living.post(f"p{number}", extra=ADA | {"locale": self.locales[number % len(self.locales)]})
        self.living.build()

    def teardown(self) -> None:
        try:
            if self.changed:
                self.compare()
            self.settle()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def compare(self) -> None:
        """Build. The clean build runs beside what follows, and is waited for by the next one."""
        self.settle()
        self.changed = False
        report = self.living.build()
        if report is None:
            if not self.unmended:
                assert self.living.clean().tree() is None, "a clean build is not refused"
            return
        if not self.unmended:
            check_trace(self.living)
            self.under_way = (self.living.tree(), self.living.clean())

    def settle(self) -> None:
        if self.under_way is not None:
            (warm, clean), self.under_way = self.under_way, None
            same(warm, clean.tree())

    # Posts.

    @edit(id=IDS, title=TEXTS, body=BODIES, tags=TAGS, hours=HOURS, cover=st.sampled_from([None, "m1", "m2"]))
    def publish(self, id: str, title: str, body: str, tags: tuple[str, ...], hours: float, cover: str | None) -> None:
        self.unmended.discard(id)
        self.living.without(id).post(
            id, title=title, body=body, tags=tags, published_at=later(hours), cover_media_id=cover
        )

    @edit(id=IDS, body=BODIES)
    def edit_body(self, id: str, body: str) -> None:
        self._edit(id, body=body, updated_at=NOON + timedelta(minutes=len(body)))

    @edit(id=IDS, title=TEXTS, excerpt=st.sampled_from([None, "Short."]), seo=st.sampled_from([None, "Seo"]))
    def edit_words(self, id: str, title: str, excerpt: str | None, seo: str | None) -> None:
        self._edit(id, title=title, excerpt=excerpt, seo_title=seo, seo_description=seo)

    @edit(id=IDS, tags=TAGS)
    def retag(self, id: str, tags: tuple[str, ...]) -> None:
        self._edit(id, tags=tags)

    @edit(id=IDS, hours=HOURS)
    def redate(self, id: str, hours: float) -> None:
        self._edit(id, published_at=later(hours))

    @edit(id=IDS, slug=SLUGS)
    def reslug(self, id: str, slug: str) -> None:
        self._edit(id, slug=slug)

    @edit(one=IDS, other=IDS)
    def swap_slugs(self, one: str, other: str) -> None:
        first, second = self._get(one), self._get(other)
        if first is not None and second is not None:
            self.living.post(one, slug=second.slug).post(other, slug=first.slug)

    @edit(id=IDS, status=st.sampled_from(["draft", "published"]))
    def unpublish(self, id: str, status: str) -> None:
        self._edit(id, status=status)

    @edit(id=IDS)
    def delete(self, id: str) -> None:
        self.unmended.discard(id)
        self.living.without(id)

    @edit(
        id=IDS,
        name=st.sampled_from(["Ada", "Bo"]),
        note=st.sampled_from(["x", "y"]),
        author=st.sampled_from(["a", None]),
    )
    def credit(self, id: str, name: str, note: str, author: str | None) -> None:
        self._edit(id, extra={"author": {"name": name}, "note": note}, author_id=author)
        self.unmended.discard(id) if self._is_shown(id) else None

    @edit(id=IDS, way=st.sampled_from(["template", "body", "mended", "mended"]))
    def break_post(self, id: str, way: str) -> None:
        """A post that its template or its format cannot show, and that is mended later."""
        if self._get(id) is None:
            return
        self.unmended.add(id)
        if way == "template":
            self._edit(id, extra={"author": {"name": "Ada"}, "breaks": True})
        elif way == "body":
            self._edit(id, body="no document", body_format=BodyFormat.BLOCKS)
        else:
            self._edit(
                id,
                body="<p>Mended.</p>",
                body_format=BodyFormat.HTML,
                extra={"author": {"name": "Ada"}, "note": "mended"},
            )
            self.unmended.discard(id)

    @edit(first=IDS, second=IDS, body=BODIES, tags=TAGS, hours=HOURS)
    def much_at_once(self, first: str, second: str, body: str, tags: tuple[str, ...], hours: float) -> None:
        if first not in self.unmended:
            self.living.post(first, body=body, tags=tags)
        self.unmended.discard(second)
        self.living.without(second).post("p9", published_at=later(hours), tags=tags)

    def _get(self, id: str) -> Any:
        return self.living.content.posts.get(self.living.names.get(id, id))

    def _edit(self, id: str, **changes: Any) -> None:
        if self._get(id) is not None:
            self.living.post(id, **changes)

    def _is_shown(self, id: str) -> bool:
        post = self._get(id)
        return post is None or (post.body_format is BodyFormat.HTML and "breaks" not in post.extra)

    # Everything else.

    @edit(id=st.sampled_from(["m1", "m2"]), name=st.sampled_from(["a.png", "b.png", None]), alt=TEXTS)
    def media(self, id: str, name: str | None, alt: str) -> None:
        self.living.content.media.pop(id, None)
        if name is not None:
            self.living.content.media[id] = Media(id, f"/media/{name}", name, alt=alt)

    @edit(name=st.sampled_from(["a.png", "b.png", "logo.png"]), shade=st.sampled_from([None, 1, 2]))
    def picture(self, name: str, shade: int | None) -> None:
        self.living.picture(name, shade)

    @edit(id=IDS, post_id=IDS, body=TEXTS, there=st.booleans())
    def comment(self, id: str, post_id: str, body: str, there: bool) -> None:
        self.living.content.comments.pop(id, None)
        if there:
            own = self.living.names.get(post_id, post_id)
            self.living.content.comments[id] = Comment(id, own, "Bo", body or "Hm", NOON)

    @edit(title=TEXTS, logo=st.sampled_from([None, "/media/logo.png"]), more=st.integers(0, 2))
    def settings(self, title: str, logo: str | None, more: int) -> None:
        self.living.content.settings = SiteSettings(title=title or None, logo_url=logo, extra={"more": more})

    @edit(
        name=st.sampled_from(sorted(OWN_PAGES)),
        text=st.sampled_from([None, "See [p1](/p1/)", "## Two\n\n[t](/tags/jam/)"]),
        template=st.sampled_from([None, "landing.html"]),
    )
    def page(self, name: str, text: str | None, template: str | None) -> None:
        self.living.page(name, text, template=template, path=OWN_PAGES[name])

    @edit(name=st.sampled_from(sorted(TEMPLATES)), which=st.integers(0, 2))
    def template(self, name: str, which: int) -> None:
        own = THEME / "templates" / name
        text = TEMPLATES[name][which % len(TEMPLATES[name])]
        self.living.template(name, own.read_text() if text is None and own.exists() else text)

    @edit(name=st.sampled_from(["post.html", "list.html", "macros.html", "base.html"]), with_comment=st.booleans())
    def template_comment(self, name: str, with_comment: bool) -> None:
        text = (THEME / "templates" / name).read_text()
        self.living.template(name, f"{{# said #}}{text}" if with_comment else text)

    @edit(colour=st.sampled_from(["black", "red"]), name=st.sampled_from(["site", "card"]))
    def sheet(self, colour: str, name: str) -> None:
        self.living.sheet(f"body {{ color: {colour} }}", name=name)

    @edit(name=st.sampled_from(OWN_FILES), there=st.booleans())
    def own_file(self, name: str, there: bool) -> None:
        self.living.static(name, "mine" if there else None)

    @edit(hours=st.sampled_from([0.0, 2.0, 5.0, 31.0]))
    def clock(self, hours: float) -> None:
        self.living.now = later(hours)

    @edit(
        changes=st.sampled_from(
            [
                {},
                {"redirects": [RedirectConfig(source=source, target="/about/") for source in REDIRECTS]},
                {"pagination": PaginationConfig(size=3)},
                {"feeds": FeedsConfig(size=2, full=False, atom=False)},
                {"urls": UrlsConfig(post="/{year}/{slug}/", redirects_from_old_slugs=False)},
                {"source": SourceConfig(name="a", url="https://cms.example", exclude_tags=("jam",))},
                {"theme": ThemeConfig(name="everything", path="theme", options={"box": 1})},
            ]
        )
    )
    def configure(self, changes: dict[str, Any]) -> None:
        self.configured(changes)

    def configured(self, changes: dict[str, Any]) -> None:
        made = config(**{**self.always, **changes})
        if self.locales:
            made = replace(made, source=replace(made.source, locales=self.locales))
        self.living.config = made

    @edit(step=st.sampled_from(["state", "release", "rollback", "version"]))
    def lose(self, step: str) -> None:
        """The database goes, a live file is edited, an older release is live, another version wrote the trace."""
        if step == "state":
            self.living.lose_state()
        elif step == "release":
            if self.changed:  # An update looks at no file that it does not change; a build without changes does.
                self.compare()
            self.living.edit_by_hand()
            self.compare()
        elif step == "rollback":
            self.living.roll_back()
        else:
            self.living.write_as_another_version()


class LifeInLanguages(Life):
    """The same of a site in several languages: posts change theirs, and get and lose translations."""

    locales = ("en", "de")

    @edit(id=IDS, locale=st.sampled_from(["en", "de", "fr", None]), of=st.sampled_from(["p0", "p1", None]))
    def translate(self, id: str, locale: str | None, of: str | None) -> None:
        extra = {"locale": locale, "translation_of": of}
        self._edit(id, extra=ADA | {name: value for name, value in extra.items() if value is not None})

    @edit(id=IDS, of=IDS, locale=st.sampled_from(["en", "de"]), tags=TAGS, body=BODIES, hours=HOURS)
    def publish_translation(
        self, id: str, of: str, locale: str, tags: tuple[str, ...], body: str, hours: float
    ) -> None:
        extra = ADA | {"locale": locale, "translation_of": of}
        self.living.without(id).post(id, slug=of, extra=extra, tags=tags, body=body, published_at=later(hours))

    @edit(name=st.sampled_from(["de/about", "de/neu"]), text=st.sampled_from([None, "Siehe [p1](/p1/)"]))
    def translated_page(self, name: str, text: str | None) -> None:
        self.living.page(name, text)

    @edit(locales=st.sampled_from([(), ("en", "de"), ("de", "en"), ("en", "de", "fr")]))
    def speak(self, locales: tuple[str, ...]) -> None:
        self.locales = locales
        self.living.config = replace(self.living.config, source=replace(self.living.config.source, locales=locales))
