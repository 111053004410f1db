"""Short lives in which addresses change hands: between posts, and between a list that comes or goes and what the owner
has put there."""

from __future__ import annotations

from tests.incremental.rig import Living, config, later
from tests.incremental.telling import begun, life
from velobuild.config.schema import RedirectConfig, UrlsConfig


def redirected(living: Living, *sources: str) -> Living:
    """Redirects that the owner has written down lead from these addresses to the beginning."""
    living.config = config(redirects=[RedirectConfig(source=source, target="/") for source in sources])
    return living


# Posts.


@life
def a_link_to_a_post_that_moves(living: Living) -> None:
    living.post("p0", body='<p><a href="/p3/">three</a> <a href="/blog/neu">new</a></p>')
    begun(living, (), (), (), ()).post("p3", slug="neu").same_as_clean().without("p3").same_as_clean()


@life
def a_link_to_a_year_that_comes_and_goes(living: Living) -> None:
    """Shown in full by the feed of a tag, where the address of a page that is there is another than of one that is
    not. The year comes with a new post, goes with another date, and comes without an address that came or went."""
    link = '<p><a href="/archive/2026/">year</a> <a href="https://cms.example/archive/2024">another</a></p>'
    begun(living).post("p0", body=link, tags=("tea",), published_at=later(-9_000)).same_as_clean()
    living.post("p1", published_at=later(-40)).same_as_clean()
    living.post("p1", published_at=later(-18_000)).same_as_clean()
    living.post("p1", published_at=later(-40)).same_as_clean().without("p1").same_as_clean()


@life
def a_page_that_links_to_a_year_that_comes_and_goes(living: Living) -> None:
    begun(living, (), ()).page("own", "[year](https://cms.example/archive/2024/)").same_as_clean()
    living.post("p1", published_at=later(-18_000)).same_as_clean().post("p1", published_at=later(-5)).same_as_clean()


@life
def two_posts_swap_their_addresses(living: Living) -> None:
    begun(living, (), (), ()).post("p0", slug="p1").post("p1", slug="p0").same_as_clean()


@life
def an_address_is_freed(living: Living) -> None:
    begun(living, (), (), ()).post("p0", slug="p1").same_as_clean().without("p1").same_as_clean()


@life
def a_post_that_moved_is_deleted(living: Living) -> None:
    begun(living, (), (), ()).post("p0", slug="neu").same_as_clean().without("p0").same_as_clean()


@life
def an_address_that_was_left_is_taken_and_freed_again(living: Living) -> None:
    begun(living, (), (), ()).post("p0", slug="neu").same_as_clean()
    living.post("p1", slug="p0").same_as_clean().without("p1").same_as_clean()


@life
def an_address_that_was_left_is_taken_by_a_new_post_and_freed_again(living: Living) -> None:
    begun(living, (), (), ()).post("p0", slug="neu").same_as_clean()
    living.post("p7", slug="p0").same_as_clean().without("p7").same_as_clean()


@life
def an_address_that_was_left_is_taken_in_another_case_and_freed_again(living: Living) -> None:
    """A redirect from /Neu/ would stand where the post is, on a disk that counts no case."""
    living.post("p8", slug="Neu", published_at=later(-50)).post("p9", slug="Öl", published_at=later(-51))
    begun(living, (), ()).post("p8", slug="alt").post("p9", slug="fett").same_as_clean()
    living.post("p6", slug="neu").same_as_clean().without("p6").same_as_clean()
    living.post("p7", slug="öl").same_as_clean().without("p7").same_as_clean()


@life
def a_post_was_where_a_year_comes_and_goes(living: Living) -> None:
    living.config = config(urls=UrlsConfig(year=""))
    living.post("p9", slug="2025", published_at=later(-3))
    begun(living, (), ()).post("p9", slug="neu").same_as_clean()
    living.config = config(urls=UrlsConfig(year="/{year}/"))
    living.same_as_clean().post("p8", published_at=later(-9000)).same_as_clean().without("p8").same_as_clean()


# Lists, and the owner's static files.


@life
def the_owner_has_a_file_where_a_tag_comes_and_goes(living: Living) -> None:
    living.static("tags/jam/index.html", "mine").static("tags/jam/feed.xml", "mine")
    report = begun(living, ("tea",), ("tea",)).post("p0", tags=("tea", "jam")).build()
    assert report is not None, "the build was refused"
    assert report.release is None, "the whole site was walked through"
    living.same_as_clean().post("p0", tags=("tea",)).same_as_clean()


@life
def the_owner_has_files_of_the_names_of_lists_that_grow(living: Living) -> None:
    for name in ("index.html", "page/1/index.html", "archive/2026/index.html", "tags/tea/feed.xml", "sitemap.xml"):
        living.static(name, "mine")
    begun(living, ("tea",), ("tea",), ("tea",)).post("p7", tags=("tea",), published_at=later(-1)).same_as_clean()
    living.without("p1").without("p2").same_as_clean()


@life
def the_owner_has_a_file_where_a_tag_comes_in_another_case(living: Living) -> None:
    begun(living.static("Tags/Jam/index.html", "mine"), ("tea",), ())
    refused(living.post("p1", tags=("jam",)))
    living.post("p1", tags=("tea",)).same_as_clean()


# Lists, and redirects.


@life
def a_redirect_waits_where_a_tag_goes_and_comes(living: Living) -> None:
    begun(redirected(living, "/tags/tea/"), ("tea",), ("jam",)).post("p0", tags=()).same_as_clean()
    living.post("p1", tags=("jam", "tea")).same_as_clean()


@life
def a_redirect_waits_where_a_tag_comes_in_another_case(living: Living) -> None:
    begun(redirected(living, "/Tags/Tea/"), ("jam",), ()).post("p0", tags=("jam", "tea")).same_as_clean()
    living.post("p0", tags=("jam",)).same_as_clean()


@life
def a_redirect_waits_where_a_year_goes_and_comes(living: Living) -> None:
    living.post("p9", published_at=later(-9000))
    begun(redirected(living, "/archive/2025/"), (), ()).without("p9").same_as_clean()
    living.post("p8", published_at=later(-8990)).same_as_clean()


@life
def a_redirect_waits_where_a_page_of_a_list_comes_and_goes(living: Living) -> None:
    begun(redirected(living, "/page/1/"), (), (), ()).post("p7", published_at=later(-1)).same_as_clean()
    living.without("p7").same_as_clean()


@life
def a_redirect_leads_from_below_a_file_that_a_tag_gets(living: Living) -> None:
    begun(redirected(living, "/tags/tea/feed.xml/old/"), ("jam",), ()).post("p0", tags=("tea",)).same_as_clean()
    living.post("p0", tags=()).same_as_clean()


# Lists, and the owner's pages.


@life
def a_tag_comes_where_a_page_is(living: Living) -> None:
    refused(begun(living.page("own", "Mine.", path="tags/jam"), ("tea",), ()).post("p1", tags=("jam",)))
    living.page("own", None).same_as_clean()


@life
def a_tag_comes_where_a_page_is_in_another_case(living: Living) -> None:
    refused(begun(living.page("own", "Mine.", path="Tags/Jam"), ("tea",), ()).post("p1", tags=("jam",)))
    living.post("p1", tags=()).same_as_clean()


def refused(living: Living) -> None:
    """A build refuses what a clean one refuses."""
    assert living.build() is None, "the build was not refused"
    assert living.clean().tree() is None, "a clean build is not refused"
