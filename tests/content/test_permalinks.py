"""Every post has an address that is safe, its own, and the same in whatever order the posts arrive."""

from __future__ import annotations

import random
import string
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.content.conftest import NOON, paths, post, settled, synced
from velobuild.config.schema import UrlsConfig
from velobuild.content.database import Connection
from velobuild.content.moments import timestamp
from velobuild.content.permalinks import Permalink, UnsafeSlug, former_paths, place, safe_slug, settle
from velobuild.content.places import Places, Reserved, collision_key, file_of
from velobuild.content.store import Store
from velobuild.errors import Diagnostic, GuardRefused
from velobuild.model.entries import DEVICE_NAMES
from velobuild.publish.paths import Claims

SITE = Reserved(
    files=("index.html", "404.html", "feed.xml", "atom.xml", "sitemap.xml", "robots.txt"),
    names=frozenset({"index", "404", "assets", "media", "page", ".well-known", "favicon.ico"}),
    patterns=("/archive/", "/archive/{year}/", "/tags/", "/tags/{slug}/", "/page/{number}/"),
)
Row = tuple[str, str, str, str]


def row(id: str, slug: str, at: datetime = NOON) -> Row:
    return (id, slug, f"Title of {id}", timestamp(at))


def settle_rows(
    *rows: Row, pattern: str = "/{slug}/", zone: tzinfo = UTC, reserved: Reserved = SITE
) -> tuple[dict[str, str], list[Diagnostic]]:
    places, findings = settle(rows, urls=UrlsConfig(post=pattern), zone=zone, reserved=reserved)
    return {one.post_id: one.path for one in places}, findings


def one(slug: str, id: str = "k3x9q2", **more: str) -> tuple[str | None, list[str]]:
    found, findings = settle_rows(row(id, slug), **more)  # type: ignore[arg-type]
    return found.get(id), [finding.code for finding in findings]


# F1 to F4: what is no honest slug


@pytest.mark.parametrize(
    "slug",
    ["../../etc/passwd", "/etc/passwd", "..\\..", "%2e%2e%2f", "%252e%252e%252fetc", "a/../b", "tea/", "\\\\host", "..",
     " .. ", "%2e%2e", "a%00b", "%2Fetc"],
)  # fmt: skip
def test_f1_a_slug_that_is_a_path_leaves_the_post_out(slug: str) -> None:
    assert one(slug) == (None, ["VB3001"])


@pytest.mark.parametrize("slug", ["", ".", "-", "   ", "...", " . ", "!!!", "?", "#", "\u200b", "🍵", "---", "_"])
def test_f2_a_slug_of_nothing_is_replaced_by_the_id(slug: str) -> None:
    assert one(slug) == ("/k3x9q2/", ["VB3002"])


@pytest.mark.parametrize(
    ("slug", "path"), [(".htaccess", "/htaccess/"), ("tea.", "/tea/"), (" tea ", "/tea/"), ("tea .", "/tea/")]
)
def test_f2_dots_and_spaces_at_the_ends_go(slug: str, path: str) -> None:
    assert one(slug) == (path, [])


@pytest.mark.parametrize("slug", ["a\0b", "a\nb", "a\tb", "\x1b[31mred", "a\ud800", "a\x85b", "tea\r\nX: y"])
def test_f3_control_characters_and_half_characters_leave_the_post_out(slug: str) -> None:
    assert one(slug) == (None, ["VB3001"])


@pytest.mark.parametrize("slug", ["con", "CON", "nul.html", "COM1", "LPT¹", "aux.tar.gz", "Prn"])
def test_f4_a_device_name_gets_the_ids_beginning(slug: str) -> None:
    path, _ = one(slug)
    assert path == f"/{slug.replace('.', '-')}-k3x9q2/"
    assert path.strip("/").partition(".")[0].casefold() not in DEVICE_NAMES


@pytest.mark.parametrize(
    ("slug", "path"), [("a:b", "/a-b/"), ("a*?", "/a/"), ('"<tea>|', "/tea/"), ("C:tea", "/c-tea/")]
)
def test_f4_signs_that_windows_refuses_go(slug: str, path: str) -> None:
    assert one(slug) == (path, [])


def test_f4_an_id_that_is_a_device_name_is_changed_too() -> None:
    path, _ = one("", id="nul")
    assert path is not None
    assert path.strip("/") not in DEVICE_NAMES


# F5 to F10: who has the address


def test_f5_of_slugs_that_differ_in_case_the_earliest_post_keeps_its_own() -> None:
    rows = [
        row("zzz111", "post"),
        row("aaa222", "Post", NOON + timedelta(1)),
        row("bbb333", "POST", NOON + timedelta(2)),
    ]
    for order in (rows, rows[::-1], [rows[1], rows[2], rows[0]]):
        found, findings = settle_rows(*order)
        assert found == {"zzz111": "/post/", "aaa222": "/Post-aaa222/", "bbb333": "/POST-bbb333/"}
        assert [finding.code for finding in findings] == ["VB3003", "VB3003"]
        assert "belongs to post “Title of zzz111” (id zzz111)" in findings[0].what


def test_f5_posts_of_one_moment_are_told_apart_by_id() -> None:
    assert settle_rows(row("b", "tea"), row("a", "tea"))[0] == {"a": "/tea/", "b": "/tea-b/"}


def test_f5_ids_that_begin_alike_end_in_different_addresses_quickly() -> None:
    found, _ = settle_rows(*(row(f"post-{number:05d}", "tea") for number in range(3_000)))
    assert len(set(map(collision_key, found.values()))) == 3_000


def test_f5_an_address_with_a_suffix_may_itself_be_taken() -> None:
    rows = [row("early1", "tea-late22"), row("first1", "tea"), row("late22", "tea", NOON + timedelta(1))]
    found, _ = settle_rows(*rows)
    assert len(set(found.values())) == 3
    assert found["early1"] == "/tea-late22/"


def test_f6_two_normal_forms_are_one_address() -> None:
    found, findings = settle_rows(row("a", "café"), row("b", "cafe\u0301"))
    assert found == {"a": "/café/", "b": "/café-b/"}
    assert [finding.code for finding in findings] == ["VB3003"]


def test_f6_a_pattern_cannot_undo_the_normal_form() -> None:
    path, _ = one("\u0307ea", pattern="/t{slug}/")
    assert path == unicodedata.normalize("NFC", str(path))


@pytest.mark.parametrize("slug", ["漢" * 86, "a" * 252, "é" * 150, "a" * 199 + "漢"])
def test_f7_a_long_slug_is_cut_at_a_character_and_stays_its_own(slug: str) -> None:
    found, _ = settle_rows(row("a", slug), row("b", slug + "x"), row("c", slug, NOON + timedelta(1)))
    assert len(set(found.values())) == 3
    for path in found.values():
        assert len(path.strip("/").encode()) <= 200
        assert path.startswith("/" + slug[:40])


@pytest.mark.parametrize(
    "slug",
    ["index", "feed.xml", "sitemap.xml", "404", "assets", "media", "tags", "page", "robots.txt", "archive", "TAGS",
     "Feed.XML", "404.html", "favicon.ico"],
)  # fmt: skip
def test_f8_reserved_names_get_a_suffix(slug: str) -> None:
    assert one(slug) == (f"/{slug}-k3x9q2/", ["VB3004"])


def test_f8_a_leading_dot_goes_before_names_are_compared() -> None:
    assert one(".well-known") == ("/well-known/", [])


def test_f8_what_is_reserved_follows_the_sites_own_routes() -> None:
    moved = Reserved(patterns=("/topics/", "/topics/{slug}/", "/blog/years/{year}/"))
    assert one("tags", reserved=moved) == ("/tags/", [])  # type: ignore[arg-type]
    assert one("topics", reserved=moved) == ("/topics-k3x9q2/", ["VB3004"])  # type: ignore[arg-type]
    for pattern, path in (("/{slug}/", "/years/"), ("/blog/{slug}/", "/blog/years-k3x9q2/")):
        assert one("years", pattern=pattern, reserved=moved)[0] == path  # type: ignore[arg-type]


def test_f8_years_and_page_numbers_are_kept_free_before_they_exist() -> None:
    kept = Reserved(patterns=("/{year}/", "/{year}/p{number}/", "/p{number}/"))
    assert one("2031", reserved=kept)[0] == "/2031-k3x9q2/"  # type: ignore[arg-type]
    assert one("p7", reserved=kept)[0] == "/p7-k3x9q2/"  # type: ignore[arg-type]
    assert one("p7", reserved=kept, pattern="/{year}/{slug}/")[0] == "/2026/p7-k3x9q2/"  # type: ignore[arg-type]
    assert one("20310", reserved=kept)[0] == "/20310/"  # type: ignore[arg-type]


def test_f9_a_file_and_a_folder_of_one_name_are_told_apart() -> None:
    taken = Reserved(files=("tea", "jam/notes.txt"))  # static files of the site
    assert one("tea", reserved=taken)[0] == "/tea-k3x9q2/"  # type: ignore[arg-type]
    assert one("TEA", reserved=taken)[0] == "/TEA-k3x9q2/"  # type: ignore[arg-type]
    assert one("jam", reserved=taken)[0] == "/jam/"  # type: ignore[arg-type]
    places = Places()
    places.take("a/b/index.html", "the page a/b")
    assert [places.rival(file) for file in ("a", "A/B", "a/b/index.html/c", "a/index.html")] == ["the page a/b"] * 3 + [
        None
    ]


def test_f9_a_tag_and_a_post_that_share_a_folder() -> None:
    tags = Reserved(files=(file_of("/tags/tea/"),), patterns=("/tags/{slug}/",))
    found, _ = settle_rows(row("a", "tea"), row("b", "jam"), pattern="/tags/{slug}/", reserved=tags)
    assert found == {"a": "/tags/tea-a/", "b": "/tags/jam/"}


def test_a_pattern_that_can_never_be_free_leaves_the_post_out_and_ends() -> None:
    kept = Reserved(patterns=("/p{number}/",))
    places, findings = settle_rows(row("7", "x"), pattern="/p7/", reserved=kept)
    assert (places, [finding.code for finding in findings]) == ({}, ["VB3004"])


@pytest.mark.parametrize("pattern", ["/{id}/", "/p/{id}.html", "/{id}/{slug}/"])
def test_ids_that_differ_in_case_alone_have_addresses_of_their_own(pattern: str) -> None:
    found, _ = settle_rows(row("Ab1", "x"), row("aB1", "x"), row("___", "x"), row("~", "x"), pattern=pattern)
    assert len(set(map(collision_key, found.values()))) == 4
    assert all("//" not in path for path in found.values())


def test_f10_two_posts_swap_their_slugs_in_one_go(connection: Connection) -> None:
    store = Store(connection)
    synced(store, post("a", slug="one"), post("b", slug="two"))
    settled(connection)
    synced(store, post("a", slug="two"), post("b", slug="one"), version="2")
    settled(connection)
    assert paths(connection) == {"a": "/two/", "b": "/one/"}
    assert former_paths(connection) == [], "a redirect would hide a page"


# Where posts were


def renamed(connection: Connection, *slugs: str) -> list[tuple[str, str]]:
    for number, slug in enumerate(slugs):
        synced(Store(connection), post("p", slug=slug), version=str(number))
        settled(connection)
    return former_paths(connection)


def test_a_post_that_moved_twice_is_reached_from_both_places_in_one_step(connection: Connection) -> None:
    assert renamed(connection, "a", "b", "c") == [("/a/", "/c/"), ("/b/", "/c/")]


def test_a_post_that_moved_back_is_no_redirect_to_itself(connection: Connection) -> None:
    assert renamed(connection, "a", "b", "a") == [("/b/", "/a/")]


def test_an_address_that_another_post_took_over_is_no_redirect(connection: Connection) -> None:
    renamed(connection, "a", "b")
    synced(Store(connection), post("p", slug="b"), post("q", slug="a"), version="9")
    settled(connection)
    assert former_paths(connection) == []


def test_a_post_that_vanished_and_came_back_keeps_its_redirects(connection: Connection) -> None:
    renamed(connection, "a", "b")
    store = Store(connection)
    synced(store, version="9")
    settled(connection)
    assert (paths(connection), former_paths(connection)) == ({}, [])
    synced(store, post("p", slug="b"), version="10")
    settled(connection)
    assert former_paths(connection) == [("/a/", "/b/")]


def test_settling_again_writes_nothing(connection: Connection) -> None:
    synced(Store(connection), post("a"), post("b"))
    settled(connection)
    before = connection.total_changes
    assert settled(connection) == []
    assert connection.total_changes == before


def test_only_what_is_published_and_due_has_an_address(connection: Connection) -> None:
    synced(Store(connection), post("a"), post("draft", status="draft"), post("soon", published_at=NOON + timedelta(1)))
    settled(connection, as_of=NOON)
    assert paths(connection) == {"a": "/a/"}
    settled(connection, as_of=NOON + timedelta(1), without={"a"})
    assert paths(connection) == {"soon": "/soon/"}


# Patterns


@pytest.mark.parametrize(
    ("zone", "moment", "path"),
    [
        ("UTC", datetime(2026, 1, 1, 0, 30, tzinfo=UTC), "/2026/01/01/x/"),
        ("America/New_York", datetime(2026, 1, 1, 0, 30, tzinfo=UTC), "/2025/12/31/x/"),
        ("Pacific/Kiritimati", datetime(2025, 12, 31, 10, 0, tzinfo=UTC), "/2026/01/01/x/"),
        # G4: clocks go from 2:00 to 3:00 on 29 March 2026, and 2:30 comes twice on 25 October.
        ("Europe/Vienna", datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "/2026/03/29/x/"),
        ("Europe/Vienna", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "/2026/10/25/x/"),
        ("Europe/Vienna", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "/2026/10/25/x/"),
        ("Europe/Vienna", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), "/2026/10/25/x/"),
    ],
)
def test_g4_dates_in_addresses_are_those_of_the_sites_zone(zone: str, moment: datetime, path: str) -> None:
    found, _ = settle_rows(row("a", "x", moment), pattern="/{year}/{month}/{day}/{slug}/", zone=ZoneInfo(zone))
    assert found == {"a": path}


def test_g4_posts_in_the_hour_that_comes_twice_keep_their_order(connection: Connection) -> None:
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Vienna"), fold=fold) for fold in (0, 1))
    synced(Store(connection), post("z", slug="x", published_at=first), post("a", slug="x", published_at=second))
    settled(connection, as_of=datetime(2027, 1, 1, tzinfo=UTC))
    assert paths(connection) == {"z": "/x/", "a": "/x-a/"}


def test_a_slug_cannot_bring_placeholders() -> None:
    assert one("{year}", pattern="/{slug}/{id}/")[0] == "/year/k3x9q2/"
    assert place("/{slug}/", "tea", "x", timestamp(NOON), UTC) == "/tea/"


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", "index.html"),
        ("/tea/", "tea/index.html"),
        ("/tea", "tea/index.html"),
        ("/tea.html", "tea.html"),
        ("/release-1.2", "release-1.2/index.html"),  # not a file without a type
        ("/node.js", "node.js/index.html"),
        ("/old.php", "old.php/index.html"),
    ],
)
def test_a_page_is_served_from_a_file_that_hosts_take_for_html(path: str, file: str) -> None:
    assert file_of(path) == file


# Fifty thousand

PIECES = [
    *("..", "/", "\\", "%2e", "%2F", "%00", ".", "-", "_", "~", "+", " ", "\t", "\n", "\0", "\x1b", "\ud800", "\u202e"),
    *("con", "NUL", "aux", "com1", "index", "feed.xml", "tags", "page", "404", "2026", "é", "e\u0301", "ß", "SS", "ﬁ"),
    *("K", "\u212a", "İ", "ı", "I", "i\u0307", "ς", "σ", "Σ", "漢", "字", "\u200b", "🍵", "\u0345", "\u0338", "ᾳ", "Å"),
    *("\u212b", "<", ":", "*", "?", "{slug}", "{{7*7}}", "$(reboot)", "';--", "undefined", "null", "0", "1e400"),
    *("x" * 90, "ا", "हि", "ไทย"),
]
CASES = string.ascii_letters[:6] + string.ascii_letters[26:32]


def generated(seed: int, count: int) -> list[Row]:
    chance = random.Random(seed)
    rows: list[Row] = []
    for number in range(count):
        pieces = PIECES if chance.random() < 0.6 else CASES
        slug = "".join(chance.choices(pieces, k=chance.randint(0, 4)))
        rows.append(
            row(f"{number:x}" + chance.choice(["", "_A", "-con"]), slug, NOON + timedelta(chance.randint(0, 9)))
        )
    return rows


def judged(places: Sequence[Permalink]) -> None:
    """Raises GuardRefused for a path that is unsafe, or that would be another's file on some file system."""
    claims = Claims()
    for found in places:
        claims.take(file_of(found.path))


@pytest.mark.parametrize("pattern", ["/{slug}/", "/{year}/{slug}.html", "/{slug}"])
def test_fifty_thousand_slugs_give_safe_addresses_of_their_own_in_any_order(pattern: str) -> None:
    rows = generated(len(pattern), 17_000)
    urls = UrlsConfig(post=pattern)
    places, findings = settle(rows, urls=urls, zone=UTC, reserved=SITE)
    judged(places)
    assert len(places) + sum(finding.code == "VB3001" for finding in findings) == len(rows)
    assert len(places) > 10_000
    shuffled = random.Random(8).sample(rows, len(rows))
    assert settle(shuffled, urls=urls, zone=UTC, reserved=SITE) == (places, findings)


def test_control_the_slugs_as_they_come_are_neither_safe_nor_their_own() -> None:
    refused = 0
    claims = Claims()
    for _, slug, _, _ in generated(7, 3_000):
        try:
            claims.take(f"{slug}/index.html")
        except GuardRefused:
            refused += 1
    assert refused > 1_000


@given(st.text(), st.text(min_size=1, max_size=12))
@settings(max_examples=400)
def test_any_text_gives_a_safe_segment_or_is_refused(slug: str, id: str) -> None:
    try:
        segment = safe_slug(slug, id)
    except UnsafeSlug:
        return
    judged([Permalink(id, f"/{segment}/", segment)])
    assert "/" not in segment
    assert len(segment.encode()) <= 200
    assert safe_slug(segment, id) == segment
