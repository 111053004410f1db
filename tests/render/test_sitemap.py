"""The sitemap and its index: the same bytes for the same content."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from tests.judges.feeds import judge
from velobuild.render.sitemap import SitemapUrl, ascii_url, robots, sitemap, sitemap_index

NAMESPACE = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
BASE = "https://blog.example/base"
MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)


def locs(document: bytes) -> list[str]:
    return [element.text or "" for element in etree.fromstring(document).iterfind(".//s:loc", NAMESPACE)]


def pages(count: int) -> list[SitemapUrl]:
    return [SitemapUrl(f"{BASE}/{number}/", MAY + timedelta(days=number % 30)) for number in range(count)]


def test_pages_stand_in_the_order_given() -> None:
    document = sitemap(pages(3))
    assert locs(document) == [f"{BASE}/0/", f"{BASE}/1/", f"{BASE}/2/"]
    assert judge(document) == []


def test_an_index_names_each_part() -> None:
    document = sitemap_index([f"{BASE}/sitemap-pages.xml", f"{BASE}/sitemap-2026-05.xml"])
    assert locs(document) == [f"{BASE}/sitemap-pages.xml", f"{BASE}/sitemap-2026-05.xml"]
    assert judge(document) == []


def test_a_time_is_utc_and_a_page_without_one_has_no_lastmod() -> None:
    kiritimati = timezone(timedelta(hours=14))
    moment = datetime(2026, 5, 4, 2, tzinfo=kiritimati)
    document = sitemap([SitemapUrl(f"{BASE}/a/", moment), SitemapUrl(f"{BASE}/b/")])
    assert b"<lastmod>2026-05-03T12:00:00Z</lastmod>" in document
    assert document.count(b"<lastmod>") == 1


def test_a_page_in_several_languages_links_to_all_of_them_as_search_engines_ask() -> None:
    versions = (("en", f"{BASE}/tea/"), ("de", f"{BASE}/de/grüner-tee/?a&b"), ("x-default", f"{BASE}/tea/"))
    document = sitemap([SitemapUrl(f"{BASE}/tea/", MAY, versions), SitemapUrl(f"{BASE}/alone/")])
    assert judge(document) == []
    first, second = etree.fromstring(document)
    links = first.findall("{http://www.w3.org/1999/xhtml}link")
    assert [(link.get("rel"), link.get("hreflang"), link.get("href")) for link in links] == [
        ("alternate", "en", f"{BASE}/tea/"),
        ("alternate", "de", f"{BASE}/de/gr%C3%BCner-tee/?a&b"),
        ("alternate", "x-default", f"{BASE}/tea/"),
    ]
    assert [element.tag for element in second] == ["{http://www.sitemaps.org/schemas/sitemap/0.9}loc"]
    long = sitemap([SitemapUrl(f"{BASE}/tea/", None, (("de", f"{BASE}/{'x' * 2048}/"),))])
    assert b"hreflang" not in long, "a longer address than the protocol allows"


def test_a_site_without_translations_has_no_word_of_them() -> None:
    assert b"xhtml" not in sitemap(pages(2))


def test_a_site_without_pages_still_has_a_sitemap() -> None:
    assert locs(sitemap([])) == []


def test_addresses_are_escaped_for_urls_and_then_for_xml() -> None:
    document = sitemap([SitemapUrl("https://blog.example/a b&c='<>'/ü/")])
    assert locs(document) == ["https://blog.example/a%20b&c='%3C%3E'/%C3%BC/"]
    assert b"&amp;c=" in document
    assert document.isascii()


def test_an_address_longer_than_the_protocol_allows_is_left_out() -> None:
    short, long = SitemapUrl(f"{BASE}/a/"), SitemapUrl(f"{BASE}/{'x' * 2048}/")
    assert locs(sitemap([long, short])) == [short.loc]


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
