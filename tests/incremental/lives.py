"""Short lives of a site, each the smallest that shows one thing which could be forgotten.

Each ends with builds that are compared with clean ones. `python -m tests.incremental.lives NAME …` lives them and exits
with 3 where a build was wrong: so they are tried on copies of velobuild that forget something.
"""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.incremental import lives_of_addresses  # noqa: F401  (they tell themselves)
from tests.incremental.rig import NOON, THEME, Living, config, later
from tests.incremental.telling import LIVES, begun, life
from velobuild.config.schema import BuildConfig, FeedsConfig, PaginationConfig, SiteConfig, SourceConfig
from velobuild.model.entries import Comment, Media, SiteSettings

WRONG = 3
SHOWN = {"author": {"name": "Ada"}}
BREAKS = {**SHOWN, "breaks": True}


# What queries answer.


@life
def a_post_leaves_a_tag(living: Living) -> None:
    begun(living, ("tea", "jam"), ("tea",), ("jam",)).post("p0", tags=("jam",)).same_as_clean()


@life
def a_post_gets_the_second_of_two_tags(living: Living) -> None:
    begun(living, ("tea",), ("tea",), ("jam",)).post("p1", tags=("tea", "jam")).same_as_clean()


@life
def a_post_moves_within_its_tag(living: Living) -> None:
    begun(living, ("tea",), ("tea",), ("tea",)).post("p2", published_at=later(-1)).same_as_clean()


@life
def a_post_with_a_title_of_its_own_keeps_its_place(living: Living) -> None:
    begun(living, ("tea",), ("tea",), ("tea",)).post("p1", title="Zebra").same_as_clean()


@life
def a_post_arrives_within_a_filled_window(living: Living) -> None:
    begun(living, *[()] * 5).post("p7", published_at=later(-7)).same_as_clean()


@life
def a_window_opens_and_a_post_arrives_in_it(living: Living) -> None:
    begun(living, *[()] * 6).without("p0").same_as_clean()
    living.post("p7", published_at=later(-13)).same_as_clean()


@life
def an_older_post_arrives_where_there_are_few(living: Living) -> None:
    begun(living, (), ()).post("p7", published_at=later(-50)).same_as_clean()


@life
def posts_of_one_moment_change_places(living: Living) -> None:
    for number in range(4):
        living.post(f"p{number}", tags=("tea",))
    living.same_as_clean().without("p2").same_as_clean().post("p2", tags=("tea", "jam")).same_as_clean()


@life
def a_post_without_tags_gets_one(living: Living) -> None:
    begun(living, (), ("tea",), ("tea",)).post("p0", tags=("tea",)).same_as_clean()


@life
def a_post_comes_to_share_tags(living: Living) -> None:
    begun(living, ("tea", "jam"), ("tea",), ("jam",), ("tea",)).post("p3", tags=("tea", "jam")).same_as_clean()


@life
def a_post_is_published_between_two(living: Living) -> None:
    begun(living, (), (), ()).post("p7", published_at=later(-7)).same_as_clean()


@life
def a_post_between_two_is_deleted(living: Living) -> None:
    begun(living, (), (), (), ()).without("p1").same_as_clean().without("p2").same_as_clean()


@life
def a_post_moves_from_between_two(living: Living) -> None:
    begun(living, (), (), (), (), ()).post("p1", published_at=later(-17)).same_as_clean()


@life
def a_post_moves_to_another_year(living: Living) -> None:
    begun(living, ("tea",), (), ()).post("p0", published_at=later(-9000)).same_as_clean()


@life
def a_post_gets_another_author(living: Living) -> None:
    begun(living, (), ()).post("p0", author_id="a", extra={"author": {"name": "Bo"}}).same_as_clean()


@life
def a_tag_is_written_otherwise_by_most(living: Living) -> None:
    begun(living, ("tea",), ("tea",), ("Tea",)).post("p1", tags=("Tea",)).same_as_clean()


@life
def a_tag_gets_another_address(living: Living) -> None:
    begun(living, ("c++",), ("jam",), ("tea",)).post("p1", tags=("c#",), published_at=later(-30)).same_as_clean()
    living.post("p1", tags=()).same_as_clean()


@life
def the_last_post_of_a_tag_leaves_it(living: Living) -> None:
    begun(living, ("tea",), ("jam",)).post("p0", tags=()).same_as_clean()


@life
def a_list_gets_a_page_and_loses_it(living: Living) -> None:
    begun(living, *[("tea",)] * 5).post("p7", tags=("tea",), published_at=later(-1)).same_as_clean()
    living.without("p2").same_as_clean()


# What a post's fields are.


@life
def a_body_is_edited(living: Living) -> None:
    begun(living, (), ()).post("p0", body="<h2>Other</h2><p>Words.</p>").same_as_clean()


@life
def a_body_takes_longer_to_read(living: Living) -> None:
    begun(living, ("tea",), ()).post("p0", body=f"<p>{'word ' * 300}</p>").same_as_clean()
    living.post("p0", body=f"<p>{'word ' * 600}</p>").same_as_clean()  # with the same excerpt


@life
def a_post_is_updated_and_says_when(living: Living) -> None:
    begun(living, (), ()).post("p0", updated_at=NOON + timedelta(days=1)).same_as_clean()


@life
def a_comment_is_approved_and_taken_back(living: Living) -> None:
    begun(living, (), ())
    living.content.comments["c"] = Comment("c", "p0", "Bo", "Good", NOON)
    living.same_as_clean()
    del living.content.comments["c"]
    living.same_as_clean()


@life
def a_picture_of_a_body_arrives(living: Living) -> None:
    living.post("p1", published_at=later(-9))
    living.post("p0", body='<p><img src="/media/a.png"></p>').same_as_clean()
    living.picture("a.png", 1).same_as_clean().picture("a.png", 2).same_as_clean().picture(
        "a.png", None
    ).same_as_clean()


@life
def a_cover_gets_another_text(living: Living) -> None:
    living.picture("a.png", 1).content.media["m"] = Media("m", "/media/a.png", "a", alt="One")
    living.post("p0", cover_media_id="m").post("p1", published_at=later(-9)).same_as_clean()
    living.content.media["m"] = Media("m", "/media/a.png", "a", alt="Two")
    living.same_as_clean()


@life
def a_cover_becomes_another_file(living: Living) -> None:
    living.picture("a.png", 1).picture("b.png", 2).content.media["m"] = Media("m", "/media/a.png", "a")
    living.post("p0", cover_media_id="m").post("p1", published_at=later(-9)).same_as_clean()
    living.content.media["m"] = Media("m", "/media/b.png", "b")
    living.same_as_clean()


@life
def a_cover_is_taken_off_while_it_becomes_another_file(living: Living) -> None:
    living.picture("a.png", 1).picture("b.png", 2).content.media["m"] = Media("m", "/media/a.png", "a")
    living.post("p0", cover_media_id="m").post("p1", published_at=later(-9)).same_as_clean()
    living.content.media["m"] = Media("m", "/media/b.png", "b")
    living.post("p0", cover_media_id=None).same_as_clean()


@life
def of_two_pictures_with_the_same_bytes_one_goes_and_nobody_shows_the_other(living: Living) -> None:
    living.picture("a.png", 1).picture("b.png", 1).post("p0", body='<img src="/media/a.png">').same_as_clean()
    living.picture("a.png", None).same_as_clean()


@life
def a_picture_is_shown_no_more_and_again(living: Living) -> None:
    living.picture("a.png", 1).post("p0", body='<img src="/media/a.png">').post("p1").same_as_clean()
    living.post("p0", body="<p>None.</p>").same_as_clean()
    living.post("p1", body='<img src="/media/a.png">').same_as_clean()


# Time.


@life
def a_post_falls_due(living: Living) -> None:
    begun(living, (), ()).post("p7", published_at=later(3)).same_as_clean()
    living.now = later(4)
    living.same_as_clean()


@life
def a_post_is_put_off(living: Living) -> None:
    begun(living, ("tea",), ("tea",), ()).post("p0", published_at=later(3)).same_as_clean()


# The theme, the settings, the configuration.


@life
def a_template_that_was_absent_appears(living: Living) -> None:
    begun(living, ("tea",), ()).template("absent.html", "<p>here</p>")
    living.same_as_clean().template("absent.html", None).same_as_clean()


@life
def the_first_of_several_templates_appears(living: Living) -> None:
    begun(living, ("tea",), ()).template("maybe.html", "<p>here</p>").same_as_clean()


@life
def a_template_of_one_page_appears(living: Living) -> None:
    begun(living, ("tea",), ()).template("own-p1.html", "<p>mine</p>").same_as_clean()


@life
def a_macro_changes(living: Living) -> None:
    text = (THEME / "templates" / "counts.html").read_text()
    begun(living, ("tea",), ()).template("counts.html", text.replace("count()", "count() + 1")).same_as_clean()


@life
def a_sheet_that_only_a_macro_names_changes(living: Living) -> None:
    begun(living, ("tea",), ()).sheet("article { color: red }", name="card").same_as_clean()


@life
def what_a_module_read_changes(living: Living) -> None:
    """The module is imported without context, and Jinja would keep it, and what it read, for all pages."""
    begun(living.page("more", "More.").page("most", "Most."), (), (), ()).post(
        "p7", published_at=later(-1)
    ).same_as_clean()


@life
def a_template_is_broken_and_mended(living: Living) -> None:
    begun(living, ("tea",), ())
    text = (THEME / "templates" / "post.html").read_text()
    living.template("post.html", "{% if %}")
    assert living.build() is None
    living.template("post.html", text).post("p0", title="Mended").same_as_clean()


@life
def a_post_is_mended_by_its_template(living: Living) -> None:
    begun(living, ("tea",), (), ()).post("p0", title="Breaks", extra=BREAKS)
    living.build()
    assert b"Breaks" not in living.tree()["p0/index.html"], "its last good page was not kept"
    text = (THEME / "templates" / "post.html").read_text()
    living.template("post.html", text.replace("post.nothing", "post.slug")).same_as_clean()


@life
def a_post_that_fails_is_mended_by_itself(living: Living) -> None:
    begun(living, ("tea",), (), ()).post("p0", title="Breaks", extra=BREAKS)
    living.build()
    living.post("p1", title="Meanwhile").build()
    living.post("p0", extra=SHOWN).same_as_clean()


@life
def a_new_post_that_fails_is_mended(living: Living) -> None:
    begun(living, ("tea",), ()).post("p7", tags=("tea",), published_at=later(-1), extra=BREAKS)
    living.build()
    assert "p7/index.html" not in living.tree()
    living.post("p7", extra=SHOWN).same_as_clean()


@life
def the_settings_change(living: Living) -> None:
    begun(living, (), ())
    living.content.settings = SiteSettings(title="Orchard", logo_url="/media/logo.png")
    living.same_as_clean().picture("logo.png", 1).same_as_clean()


@life
def the_configuration_changes(living: Living) -> None:
    begun(living, *[("tea",)] * 5)
    living.config = config(pagination=PaginationConfig(size=3), feeds=FeedsConfig(size=2))
    living.same_as_clean()


@life
def a_tag_is_excluded_and_let_in_again(living: Living) -> None:
    begun(living, ("tea",), ("jam",), ("tea", "jam")).config = config(
        source=SourceConfig(url="https://cms.example", comments=True, exclude_tags=("jam",))
    )
    living.same_as_clean().config = config()
    living.same_as_clean()


@life
def the_year_begins_at_another_hour(living: Living) -> None:
    living.post("p0", published_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC)).post("p1").same_as_clean()
    living.config = config(site=SiteConfig(title=None, base_url="https://site.example", timezone="UTC"))
    living.post("p1", title="Other").same_as_clean().without("p0").same_as_clean()


@life
def a_page_changes_its_links(living: Living) -> None:
    begun(living, ("tea",), ()).page("about", "[one](/p1/)").same_as_clean().post("p1", slug="neu").same_as_clean()


# What lies on the disk.


@life
def the_trace_is_of_another_version(living: Living) -> None:
    begun(living, ("tea",), ()).write_as_another_version()
    living.post("p0", title="Other").same_as_clean()


@life
def an_older_release_is_live(living: Living) -> None:
    begun(living, ("tea",), ()).sheet("body { color: red }").post("p0", title="Other").same_as_clean()
    assert living.roll_back()
    living.post("p1", title="Another").same_as_clean()


@life
def somebody_edited_live_files(living: Living) -> None:
    begun(living, ("tea",), ()).edit_by_hand()
    living.same_as_clean()


@life
def the_database_is_lost(living: Living) -> None:
    begun(living, (), ()).post("p0", slug="neu").same_as_clean().lose_state()
    living.post("p1", title="Other").same_as_clean()


@life
def a_plain_folder_is_kept_up_to_date(living: Living) -> None:
    living.config = config(build=BuildConfig(jobs=1, publish="in-place"))
    begun(living, ("tea",), ("tea", "jam"), ()).post("p0", title="Other").same_as_clean()
    living.without("p1").same_as_clean().post("p7", tags=("jam",)).same_as_clean()


def lived(name: str, folder: Path) -> None:
    LIVES[name](Living(folder))


def main() -> int:
    memory = Path("/dev/shm")
    for name in sys.argv[1:] or LIVES:
        with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            try:
                lived(name, Path(folder))
            except AssertionError as error:
                sys.stderr.write(f"{name}: {error!s:.300}\n")
                if "-v" in os.environ.get("LIVES", ""):
                    traceback.print_exc()
                return WRONG
    return 0


if __name__ == "__main__":
    sys.exit(main())
