"""What is rendered after a change, on a site of a thousand posts: what the change reaches, and nothing else.

The long run shows the same on ten thousand.
"""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.incremental.checks import UNREAD_KEYS_MAX
from tests.incremental.rig import NOON, Living, config, later
from velobuild.config.schema import FeedsConfig, PaginationConfig, TaxonomyConfig, ThemeConfig, UrlsConfig
from velobuild.content.database import open_database, transaction
from velobuild.graph.trace import Trace
from velobuild.model.entries import Comment, Media

ROOT = Path(__file__).parents[2]
POSTS = 1_100
"""More than a thousand, so that sitemaps are in parts."""
MANY = 10_000
HOURS = 7  # between two posts: they fill most of a year
WORDS = "Some words that stand in every post, as many as an excerpt holds and more. " * 6


@dataclass
class Large:
    """A site of a thousand posts or more, p0000 the oldest, each with a tag of twenty and one of three."""

    living: Living
    posts: int

    def moment(self, number: int) -> datetime:
        """When a post was published."""
        return later((number - self.posts) * HOURS)

    def sitemap_of(self, number: int) -> set[str]:
        """The part of the month in which a post was published. The index names the parts and no times."""
        return {f"sitemap-{self.moment(number):%Y-%m}.xml"}

    def rendered(self) -> set[str]:
        """Build, and say which outputs were rendered."""
        state = self.living.site / ".velobuild"
        with closing(open_database(state, warn=print)) as connection, transaction(connection):
            connection.execute("UPDATE output SET reason = 'as it was'")
        report = self.living.build()
        assert report is not None
        with closing(open_database(state, warn=print)) as connection:
            found = {output.target.path for output in Trace(connection).outputs() if output.reason != "as it was"}
        assert report.rendered == len(found), "what the report says"
        return found


def body(number: int, word: str = "Wrong") -> str:
    picture = '<img src="/media/a.png" alt="A">' if number == 307 else ""
    return f"<p>{WORDS}</p><h2>One</h2><p>{word} in {number}.{picture}</p>"


def begun(folder: Path, theme: str, *, posts: int = POSTS) -> Large:
    site = Large(Living(folder), posts)
    living = site.living
    if theme == "plain":
        shutil.rmtree(living.site / "theme")
        shutil.copytree(ROOT / "themes" / "plain", living.site / "theme")
        for name in ("404.html", "summary.html"):
            shutil.copy(ROOT / "themes" / "base" / "templates" / name, living.site / "theme" / "templates")
        living.config = config(
            theme=ThemeConfig(path="theme"), pagination=PaginationConfig(), feeds=FeedsConfig(), taxonomies={}
        )
    else:
        shutil.rmtree(living.site / "theme")
        shutil.copytree(ROOT / "benchmarks" / "site" / "theme", living.site / "theme")
        living.config = config(
            theme=ThemeConfig(path="theme"),
            urls=UrlsConfig(post="/posts/{slug}/", archive="", year=""),
            taxonomies={"tags": TaxonomyConfig(path="/tags/{slug}/", index="", feed=False, paginate=10)},
            pagination=PaginationConfig(size=10),
            feeds=FeedsConfig(size=20, full=True, atom=False),
        )
    living.page("about", None)
    living.picture("a.png", 1)
    for number in range(posts):
        living.post(
            f"p{number:04}",
            title=f"Post {number}",
            body=body(number),
            tags=(f"t{number % 20}", f"s{number % 3}"),
            published_at=site.moment(number),
            updated_at=site.moment(number),
        )
    assert living.build() is not None
    return site


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("plain", POSTS), id="plain"),
        pytest.param(("bench", POSTS), id="bench"),
        pytest.param(("bench", MANY), id="bench-10000", marks=(pytest.mark.full, pytest.mark.slow)),
    ],
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Large:
    """Built once; each test changes something of its own and leaves the site built."""
    theme, posts = request.param
    return begun(tmp_path_factory.mktemp("large"), theme, posts=posts)


def page(site: Large, slug: str) -> str:
    return f"{site.living.config.urls.post.replace('{slug}', slug).strip('/')}/index.html"


def feeds(site: Large, *tags: str) -> set[str]:
    """The feeds that carry a post of the newest with these tags."""
    atom = {"atom.xml"} if site.living.config.feeds.atom else set()
    tagged = {f"tags/{tag}/feed.xml" for tag in tags} if is_plain(site) else set()
    return {"feed.xml", *atom, *tagged}


def is_plain(site: Large) -> bool:
    return bool(site.living.config.urls.archive)


def lists(paths: set[str]) -> set[str]:
    """Of rendered outputs the pages of lists."""
    return {path for path in paths if path.startswith(("page/", "archive/", "tags/")) or path == "index.html"}


def test_a_body_edit_renders_the_page_alone(made: Large) -> None:
    made.living.post("p0300", body=body(300, "Mended"))
    assert made.rendered() == {page(made, "p0300")}


def test_a_longer_body_that_takes_no_longer_to_read_renders_the_page_alone(made: Large) -> None:
    made.living.post("p0309", body=body(309, "Mended and explained"))
    assert made.rendered() == {page(made, "p0309")}


def test_a_body_that_takes_longer_to_read_renders_the_lists_that_say_so(made: Large) -> None:
    made.living.post("p0310", body=body(310, "more " * 300))
    found = made.rendered()
    assert page(made, "p0310") in found
    assert bool(lists(found)) == is_plain(made)


def test_a_body_edit_that_the_cms_dates_renders_the_sitemap_of_its_month_too(made: Large) -> None:
    made.living.post("p0301", body=body(301, "Mended"), updated_at=NOON)
    assert made.rendered() == {page(made, "p0301"), *made.sitemap_of(301)}


def test_a_body_edit_of_a_new_post_renders_the_feeds_that_carry_it(made: Large) -> None:
    number = made.posts - 2
    made.living.post(f"p{number}", body=body(number, "Mended"))
    assert made.rendered() == {page(made, f"p{number}"), *feeds(made, f"t{number % 20}", f"s{number % 3}")}


def test_a_retag_renders_the_post_and_the_lists_that_have_it(made: Large) -> None:
    made.living.post("p0302", tags=("t17", "s2"))
    found = made.rendered()
    assert page(made, "p0302") in found
    others = found - {page(made, "p0302")} - lists(found)
    assert others == set()
    assert {path.split("/")[1] for path in found if path.startswith("tags/")} <= {"t2", "t17", "s2", "index.html"}
    # Where it stands among all posts it shows its tags: on one page of the whole list, and one of its year's.
    assert len({path for path in lists(found) if not path.startswith("tags/")}) <= 2
    # The pages of s2, which it kept, stay but for the one that shows it.
    assert len({path for path in found if path.startswith("tags/s2/")}) <= 1


def test_a_reslug_renders_the_post_its_neighbours_and_what_lists_it(made: Large) -> None:
    made.living.post("p0303", slug="other")
    found = made.rendered()
    redirect, renamed = page(made, "p0303"), page(made, "other")
    assert {redirect, renamed, *made.sitemap_of(303)} <= found
    rest = found - {redirect, renamed, *made.sitemap_of(303)}
    assert rest - lists(rest) <= {page(made, "p0302"), page(made, "p0304")}
    assert len(lists(rest)) <= 5, "one page of each list that has it"


def test_a_new_post_renders_itself_its_neighbour_and_the_newest_pages(made: Large) -> None:
    made.living.post(f"p{made.posts}", tags=("t0", "s1"), published_at=later(-1), body=body(made.posts), title="New")
    found = made.rendered()
    named = {page(made, f"p{made.posts}"), page(made, f"p{made.posts - 1}"), "index.html", *feeds(made, "t0", "s1")}
    assert named <= found
    rest = found - named - {f"sitemap-{later(-1):%Y-%m}.xml", "sitemap.xml", "sitemap-pages.xml"}
    related = rest - lists(rest)
    assert len(related) <= (60 if is_plain(made) else 0), sorted(related)
    numbered = {path for path in lists(rest) if "/page/" in f"/{path}"}
    # No numbered page, but those of a list that shows how many posts it has.
    assert {path.split("/")[0] for path in numbered} <= ({"archive", "tags"} if is_plain(made) else set())


def test_a_deletion_renders_its_neighbours_and_the_lists_from_its_place_on(made: Large) -> None:
    made.living.without("p0900")
    found = made.rendered()
    beside = {page(made, "p0899"), page(made, "p0901")}
    assert beside <= found
    rest = found - beside - {*made.sitemap_of(900), "sitemap.xml", "sitemap-pages.xml"}
    assert rest - lists(rest) == set() or is_plain(made), sorted(rest - lists(rest))
    of_all = {int(path.split("/")[1]) for path in lists(rest) if path.startswith("page/")}
    assert of_all, "it stood on no page of the list"
    assert min(of_all) >= 900 // made.living.config.pagination.size


def test_a_comment_in_a_template_renders_nothing(made: Large) -> None:
    """Also where the template uses a filter that is velobuild's own."""
    folder = made.living.site / "theme" / "templates"
    dated = [file.name for file in folder.glob("*.html") if re.search(r"\|\s*(iso)?date", file.read_text())]
    assert dated
    for name in {*dated, "post.html"}:
        made.living.template(name, f"{{# said\ntwice #}}{(folder / name).read_text()}")
    assert made.rendered() == set()


def test_control_a_word_in_a_template_renders_each_page_that_uses_it(made: Large) -> None:
    folder = made.living.site / "theme" / "templates"
    made.living.template("404.html", (folder / "404.html").read_text().replace("{% endblock %}", "word{% endblock %}"))
    assert made.rendered() == {"404.html"}


def test_a_setting_that_no_page_reads_renders_nothing(made: Large) -> None:
    made.living.content.settings = replace(made.living.content.settings, extra={"unread": 1})
    assert made.rendered() == set()


def test_a_field_that_no_page_reads_renders_nothing(made: Large) -> None:
    made.living.post("p0306", extra={**made.living.content.posts["p0306"].extra, "unread": 1})
    assert made.rendered() == set()


def test_another_picture_renders_the_page_that_shows_it(made: Large) -> None:
    made.living.picture("a.png", 2)
    assert made.rendered() == {page(made, "p0307")}


def test_a_record_of_a_picture_renders_the_page_that_shows_it(made: Large) -> None:
    made.living.content.media["m"] = Media("m", "/media/a.png", "a", alt="Text")
    assert made.rendered() <= {page(made, "p0307")}


def test_a_comment_renders_the_page_that_shows_it(made: Large) -> None:
    made.living.content.comments["c"] = Comment("c", "p0308", "Bo", "Good", NOON + timedelta(hours=1))
    assert made.rendered() == ({page(made, "p0308")} if is_plain(made) else set())


def test_nothing_changed_renders_nothing(made: Large) -> None:
    assert made.rendered() == set()


def test_afterwards_the_site_is_the_one_that_a_clean_build_makes(made: Large) -> None:
    made.living.same_as_clean()


@pytest.mark.slow
def test_a_sitemap_is_cut_into_parts_and_made_whole_again(tmp_path: Path) -> None:
    site = begun(tmp_path, "bench", posts=1_000)
    assert "sitemap-pages.xml" not in site.living.tree()
    site.living.post("one-more", published_at=later(-1)).same_as_clean()
    assert "sitemap-pages.xml" in site.living.tree()
    site.living.without("p0005").same_as_clean()
    assert "sitemap-pages.xml" not in site.living.tree()


def test_the_trace_of_a_site_that_is_edited_for_long_does_not_grow(tmp_path: Path) -> None:
    """Keys that nothing reads go, there is no alarm, and each update stands in the manifest."""
    living = Living(tmp_path)
    for number in range(6):
        living.post(f"p{number}", published_at=later(-5 * number), tags=("tea",))
    living.same_as_clean()

    def rows() -> dict[str, int]:
        with living.opened() as connection:
            tables = (
                "key",
                "footprint",
                "bundle",
                "bundle_key",
                "post_read",
                "query_read",
                "output",
                "tally",
                "spelling",
            )
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}

    before = rows()
    for turn in range(20):
        living.post("p9", published_at=later(-7), tags=(f"turn {turn}",), body=f"<p>{turn}</p>")
        assert living.build() is not None
        living.post("p3", tags=("tea", f"turn {turn}"))
        assert living.build() is not None
    living.without("p9").post("p3", tags=("tea",)).same_as_clean()
    after = rows()
    grown = {name: (before[name], after[name]) for name in before if after[name] > before[name] + UNREAD_KEYS_MAX}
    assert grown == {}
