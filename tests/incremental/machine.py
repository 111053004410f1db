"""Random lives of a site: every kind of change, in any order, and after each build the comparison with a clean one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.incremental.rig import NOON, THEME, Living, config, later
from velobuild.config.schema import FeedsConfig, PaginationConfig, SourceConfig, ThemeConfig, UrlsConfig
from velobuild.model.entries import Comment, Media, SiteSettings

IDS = st.sampled_from([f"p{number}" for number in range(8)])
TAGS = st.lists(st.sampled_from(["tea", "Tea", "jam", "Bread", "c#", "c++"]), max_size=3, unique=True).map(tuple)
SLUGS = st.sampled_from(["p0", "p1", "p2", "tea", "neu", "alt", "about", "tags"])
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
    ]
)
BODIES = st.lists(PIECES, min_size=1, max_size=4).map("".join)
TEXTS = st.sampled_from(["One", "Two", "Zebra", "ähre", ""])
ADA: dict[str, Any] = {"author": {"name": "Ada"}}
TEMPLATES: Mapping[str, tuple[str | None, ...]] = {
    "maybe.html": (None, "<p>now here {{ site.posts.newest(1)[0].title if site.posts else '' }}</p>"),
    "absent.html": (None, "<p>{{ site.tags | length }} tags</p>"),
    "footer.html": ("<footer>other</footer>", "<footer>{{ site.tags[0].name if site.tags else '' }}</footer>"),
    "redirect.html": (None, '<a href="{{ target_url }}">moved</a>'),
}


class Life(RuleBasedStateMachine):
    """One site. Every rule is one or more edits; most end in a build and the comparison."""

    locales: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="life-"))
        self.living = Living(self.folder)
        self.configured({})

    @initialize(count=st.integers(0, 6), tags=TAGS)
    def begin(self, count: int, tags: tuple[str, ...]) -> None:
        for number in range(count):
            self.living.post(f"p{number}", published_at=later(-number * 5), tags=tags[number % 2 :])
            if self.locales:
                self.living.post(f"p{number}", extra=ADA | {"locale": self.locales[number % len(self.locales)]})
        self.compare()

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def compare(self) -> None:
        self.living.build()
        warm, clean = self.living.tree(), self.living.clean_tree()
        assert warm.keys() == clean.keys(), sorted(warm.keys() ^ clean.keys())
        for path, content in clean.items():
            assert warm[path] == content, path

    # Posts.

    @rule(id=IDS, title=TEXTS, body=BODIES, tags=TAGS, hours=HOURS, cover=st.sampled_from([None, "m1", "m2"]))
    def publish(self, id: str, title: str, body: str, tags: tuple[str, ...], hours: float, cover: str | None) -> None:
        self.living.without(id).post(
            id, title=title, body=body, tags=tags, published_at=later(hours), cover_media_id=cover
        )
        self.compare()

    @rule(id=IDS, body=BODIES)
    def edit_body(self, id: str, body: str) -> None:
        self._edit(id, body=body, updated_at=NOON + timedelta(minutes=len(body)))

    @rule(id=IDS, title=TEXTS, excerpt=st.sampled_from([None, "Short."]), seo=st.sampled_from([None, "Seo"]))
    def edit_words(self, id: str, title: str, excerpt: str | None, seo: str | None) -> None:
        self._edit(id, title=title, excerpt=excerpt, seo_title=seo, seo_description=seo)

    @rule(id=IDS, tags=TAGS)
    def retag(self, id: str, tags: tuple[str, ...]) -> None:
        self._edit(id, tags=tags)

    @rule(id=IDS, hours=HOURS)
    def redate(self, id: str, hours: float) -> None:
        self._edit(id, published_at=later(hours))

    @rule(id=IDS, slug=SLUGS)
    def reslug(self, id: str, slug: str) -> None:
        self._edit(id, slug=slug)

    @rule(one=IDS, other=IDS)
    def swap_slugs(self, one: str, other: str) -> None:
        posts = self.living.content.posts
        if one in posts and other in posts:
            first, second = posts[one].slug, posts[other].slug
            self.living.post(one, slug=second).post(other, slug=first)
            self.compare()

    @rule(id=IDS, status=st.sampled_from(["draft", "published"]))
    def unpublish(self, id: str, status: str) -> None:
        self._edit(id, status=status)

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        self.living.without(id)
        self.compare()

    @rule(
        id=IDS,
        name=st.sampled_from(["Ada", "Bo"]),
        note=st.sampled_from(["x", "y"]),
        author=st.sampled_from(["a", None]),
    )
    def credit(self, id: str, name: str, note: str, author: str | None) -> None:
        self._edit(id, extra={"author": {"name": name}, "note": note}, author_id=author)

    @rule(first=IDS, second=IDS, body=BODIES, tags=TAGS, hours=HOURS)
    def much_at_once(self, first: str, second: str, body: str, tags: tuple[str, ...], hours: float) -> None:
        self.living.post(first, body=body, tags=tags).without(second).post("p9", published_at=later(hours), tags=tags)
        self.compare()

    def _edit(self, id: str, **changes: Any) -> None:
        if id in self.living.content.posts:
            self.living.post(id, **changes)
            self.compare()

    # Everything else.

    @rule(id=st.sampled_from(["m1", "m2"]), name=st.sampled_from(["a.png", "b.png", None]), alt=TEXTS)
    def media(self, id: str, name: str | None, alt: str) -> None:
        self.living.content.media.pop(id, None)
        if name is not None:
            self.living.content.media[id] = Media(id, f"/media/{name}", name, alt=alt)
        self.compare()

    @rule(name=st.sampled_from(["a.png", "b.png", "logo.png"]), shade=st.sampled_from([None, 1, 2]))
    def picture(self, name: str, shade: int | None) -> None:
        self.living.picture(name, shade)
        self.compare()

    @rule(id=IDS, post_id=IDS, body=TEXTS, there=st.booleans())
    def comment(self, id: str, post_id: str, body: str, there: bool) -> None:
        self.living.content.comments.pop(id, None)
        if there:
            self.living.content.comments[id] = Comment(id, post_id, "Bo", body or "Hm", NOON)
        self.compare()

    @rule(title=TEXTS, logo=st.sampled_from([None, "/media/logo.png"]), more=st.integers(0, 2))
    def settings(self, title: str, logo: str | None, more: int) -> None:
        self.living.content.settings = SiteSettings(title=title or None, logo_url=logo, extra={"more": more})
        self.compare()

    @rule(
        name=st.sampled_from(["about", "neu2"]),
        text=st.sampled_from([None, "See [p1](/p1/)", "## Two\n\n[t](/tags/jam/)"]),
    )
    def page(self, name: str, text: str | None) -> None:
        self.living.page(name, text)
        self.compare()

    @rule(name=st.sampled_from(sorted(TEMPLATES)), which=st.integers(0, 1))
    def template(self, name: str, which: int) -> None:
        own = THEME / "templates" / name
        text = TEMPLATES[name][which]
        self.living.template(name, own.read_text() if text is None and own.exists() else text)
        self.compare()

    @rule(name=st.sampled_from(["post.html", "list.html", "macros.html", "base.html"]), with_comment=st.booleans())
    def template_comment(self, name: str, with_comment: bool) -> None:
        text = (THEME / "templates" / name).read_text()
        self.living.template(name, f"{{# said #}}{text}" if with_comment else text)
        self.compare()

    @rule(colour=st.sampled_from(["black", "red"]))
    def sheet(self, colour: str) -> None:
        self.living.sheet(f"body {{ color: {colour} }}")
        self.compare()

    @rule(name=st.sampled_from(["robots.txt", "tags/index.html", "own.txt"]), there=st.booleans())
    def own_file(self, name: str, there: bool) -> None:
        self.living.static(name, "mine" if there else None)
        self.compare()

    @rule(hours=st.sampled_from([0.0, 2.0, 5.0, 31.0]))
    def clock(self, hours: float) -> None:
        self.living.now = later(hours)
        self.compare()

    @rule(
        changes=st.sampled_from(
            [
                {},
                {"pagination": PaginationConfig(size=3)},
                {"feeds": FeedsConfig(size=2, full=False, atom=False)},
                {"urls": UrlsConfig(post="/{year}/{slug}/", redirects_from_old_slugs=False)},
                {"source": SourceConfig(url="https://cms.example", exclude_tags=("jam",))},
                {"theme": ThemeConfig(name="everything", path="theme", options={"box": 1})},
            ]
        )
    )
    def configure(self, changes: dict[str, Any]) -> None:
        self.configured(changes)
        self.compare()

    def configured(self, changes: dict[str, Any]) -> None:
        made = config(**changes)
        self.living.config = replace(made, source=replace(made.source, locales=self.locales))

    @rule(step=st.sampled_from(["state", "release"]))
    def lose(self, step: str) -> None:
        """The state folder's database goes, or a live file is edited by hand."""
        if step == "state":
            for file in (self.living.site / ".velobuild").glob("site.db*"):
                file.unlink()
        else:
            for file in list((self.living.site / "public").rglob("index.html"))[:2]:
                file.write_text("edited by hand")
        self.compare()


class LifeInLanguages(Life):
    """The same of a site in several languages: posts change theirs, and get and lose translations."""

    locales = ("en", "de")

    @rule(id=IDS, locale=st.sampled_from(["en", "de", "fr", None]), of=st.sampled_from(["p0", "p1", None]))
    def translate(self, id: str, locale: str | None, of: str | None) -> None:
        extra = {"locale": locale, "translation_of": of}
        self._edit(id, extra=ADA | {name: value for name, value in extra.items() if value is not None})

    @rule(id=IDS, of=IDS, locale=st.sampled_from(["en", "de"]), tags=TAGS, body=BODIES, hours=HOURS)
    def publish_translation(
        self, id: str, of: str, locale: str, tags: tuple[str, ...], body: str, hours: float
    ) -> None:
        extra = ADA | {"locale": locale, "translation_of": of}
        self.living.without(id).post(id, slug=of, extra=extra, tags=tags, body=body, published_at=later(hours))
        self.compare()

    @rule(name=st.sampled_from(["de/about", "de/neu"]), text=st.sampled_from([None, "Siehe [p1](/p1/)"]))
    def translated_page(self, name: str, text: str | None) -> None:
        self.living.page(name, text)
        self.compare()

    @rule(locales=st.sampled_from([(), ("en", "de"), ("de", "en"), ("en", "de", "fr")]))
    def speak(self, locales: tuple[str, ...]) -> None:
        self.locales = locales
        self.living.config = replace(self.living.config, source=replace(self.living.config.source, locales=locales))
        self.compare()
