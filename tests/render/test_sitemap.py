"""The sitemap: split where the protocol says, the same for the same content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from tests.judges.feeds import judge
from velobuild.render.sitemap import FILE_BYTES_MAX, SitemapUrl, ascii_url, robots, sitemaps

NAMESPACE = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
BASE = "https://blog.example/base"
MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)


def locs(document: bytes) -> list[str]:
    return [element.text or "" for element in etree.fromstring(document).iterfind(".//s:loc", NAMESPACE)]


def pages(count: int) -> list[SitemapUrl]:
    return [SitemapUrl(f"{BASE}/{number}/", MAY + timedelta(days=number % 30)) for number in range(count)]


def test_a_small_site_has_one_file_with_its_pages_in_the_order_given() -> None:
    ((name, document),) = sitemaps(pages(3), base_url=BASE)
    assert name == "sitemap.xml"
    assert locs(document) == [f"{BASE}/0/", f"{BASE}/1/", f"{BASE}/2/"]
    assert judge(document) == []


def test_exactly_fifty_thousand_pages_fit_in_one_file_and_one_more_does_not() -> None:
    assert [name for name, _ in sitemaps(pages(50_000), base_url=BASE)] == ["sitemap.xml"]
    files = dict(sitemaps(pages(50_001), base_url=BASE))
    assert list(files) == ["sitemap.xml", "sitemap-1.xml", "sitemap-2.xml"]
    assert locs(files["sitemap.xml"]) == [f"{BASE}/sitemap-1.xml", f"{BASE}/sitemap-2.xml"]
    assert [len(locs(files["sitemap-1.xml"])), len(locs(files["sitemap-2.xml"]))] == [50_000, 1]
    assert all(judge(document) == [] for document in files.values())


def test_the_limit_of_bytes_splits_too_and_no_page_is_lost() -> None:
    urls = pages(500)
    files = sitemaps(urls, base_url=BASE, limit_bytes=10_000)
    assert len(files) > 3
    assert all(len(document) <= 10_000 for _, document in files[1:])
    assert [loc for _, document in files[1:] for loc in locs(document)] == [url.loc for url in urls]


def test_fifty_megabytes_are_the_limit_that_holds_by_default() -> None:
    long = [SitemapUrl(f"{BASE}/{number:06d}{'x' * 1900}/") for number in range(30_000)]
    files = sitemaps(long, base_url=BASE)
    assert len(files) == 3
    assert all(len(document) <= FILE_BYTES_MAX for _, document in files)


def test_the_index_tells_when_each_part_last_changed() -> None:
    files = dict(sitemaps(pages(4), base_url=BASE, limit=2))
    times = [element.text for element in etree.fromstring(files["sitemap.xml"]).iterfind(".//s:lastmod", NAMESPACE)]
    assert times == ["2026-05-04T12:00:00Z", "2026-05-06T12:00:00Z"]


def test_a_time_is_utc_and_a_page_without_one_has_no_lastmod() -> None:
    kiritimati = timezone(timedelta(hours=14))
    moment = datetime(2026, 5, 4, 2, tzinfo=kiritimati)
    ((_, document),) = sitemaps([SitemapUrl(f"{BASE}/a/", moment), SitemapUrl(f"{BASE}/b/")], base_url=BASE)
    assert b"<lastmod>2026-05-03T12:00:00Z</lastmod>" in document
    assert document.count(b"<lastmod>") == 1


def test_a_site_without_pages_still_has_a_sitemap() -> None:
    ((name, document),) = sitemaps([], base_url=BASE)
    assert (name, locs(document)) == ("sitemap.xml", [])


def test_addresses_are_escaped_for_urls_and_then_for_xml() -> None:
    ((_, document),) = sitemaps([SitemapUrl("https://blog.example/a b&c='<>'/ü/")], base_url=BASE)
    assert locs(document) == ["https://blog.example/a%20b&c='%3C%3E'/%C3%BC/"]
    assert b"&amp;c=" in document
    assert document.isascii()


def test_an_address_longer_than_the_protocol_allows_is_left_out() -> None:
    short, long = SitemapUrl(f"{BASE}/a/"), SitemapUrl(f"{BASE}/{'x' * 2048}/")
    assert locs(sitemaps([long, short], base_url=BASE)[0][1]) == [short.loc]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://blog.example/%C3%BC/100%/%zz/", "https://blog.example/%C3%BC/100%25/%25zz/"),
        ("https://bücher.example:8443/ü?q=ü#ü", "https://xn--bcher-kva.example:8443/%C3%BC?q=%C3%BC#%C3%BC"),
        ("/relative/日本/", "/relative/%E6%97%A5%E6%9C%AC/"),
        ("https://[::1]:8000/a/", "https://[::1]:8000/a/"),
        ("https://[broken/ä", "https://[broken/%C3%A4"),
        ("https://blog.example/\ud800\r\n", "https://blog.example/%EF%BF%BD%0D%0A"),
    ],
)
def test_an_address_becomes_ascii_once_and_stays_so(url: str, expected: str) -> None:
    assert ascii_url(url) == expected
    assert ascii_url(expected) == expected


def test_robots_allows_everything_and_names_the_sitemap_if_there_is_one() -> None:
    assert robots(f"{BASE}/", True) == b"User-agent: *\nDisallow:\n\nSitemap: https://blog.example/base/sitemap.xml\n"
    assert robots(BASE, False) == b"User-agent: *\nDisallow:\n"
