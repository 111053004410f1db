from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from tests.publish.conftest import Site
from velobuild.config.schema import Secret
from velobuild.errors import GuardRefused
from velobuild.publish.disk import CHUNK_BYTES
from velobuild.publish.guard import SecretScan, disguises, shrink

TOKEN = "velo_0123456789abcdef0123456789abcdef"
ODD = 'p&ss "wörd"/<>\\+ 9'
SCAN = SecretScan([Secret(TOKEN, "environment variable VELOCMS_API_KEY"), Secret(ODD, "token file")])


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (500, 0, True),
        (100, 79, True),
        (100, 80, False),  # exactly the percentage
        (10, 5, False),  # half of them, but only five
        (10, 4, True),
        (1000, 994, False),  # six, but under one percent
        (0, 0, False),
        (3, 0, False),
        (5, 500, False),
    ],
)
def test_a_site_shrinks_too_far_only_by_share_and_by_number(before: int, after: int, refused: bool) -> None:
    if not refused:
        return shrink(before, after, percent=20, posts=5)
    with pytest.raises(GuardRefused) as caught:
        shrink(before, after, percent=20, posts=5)
    assert caught.value.code == "VB5001"
    assert "--allow-shrink" in (caught.value.hint or "")
    return shrink(before, after, percent=20, posts=5, allowed=True)


def test_a_site_is_not_emptied_on_the_word_of_a_source_that_shows_strangers_nothing() -> None:
    with pytest.raises(GuardRefused):
        shrink(1, 0, percent=20, posts=5, may_empty=False)
    shrink(0, 0, percent=20, posts=5, may_empty=False)
    shrink(2, 1, percent=20, posts=5, may_empty=False)
    shrink(2, 0, percent=20, posts=5, may_empty=False, allowed=True)


FORMS = {
    "as it is": lambda s: s,
    "in a URL": lambda s: quote(s, safe=""),
    "in a form": quote_plus,
    "in JSON": lambda s: json.dumps({"a": s}),
    "in JSON with letters as they are": lambda s: json.dumps({"a": s}, ensure_ascii=False),
    "in JSON with escaped slashes": lambda s: json.dumps(s).replace("/", "\\/"),
    "in HTML": html.escape,
    "in base64": lambda s: base64.b64encode(s.encode()).decode(),
    "in base64 after one byte": lambda s: base64.b64encode(b"x" + s.encode() + b"yz").decode(),
    "in base64 after two bytes": lambda s: base64.b64encode(b"xx" + s.encode() + b"y").decode(),
    "in URL-safe base64": lambda s: base64.urlsafe_b64encode(b"user:" + s.encode()).decode(),
}


@pytest.mark.parametrize("secret", [TOKEN, ODD], ids=["token", "odd"])
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_the_output_stops_the_release_in_every_disguise(site: Site, form: str, secret: str) -> None:
    page = f"<p>before {FORMS[form](secret)} after</p>"
    site.build({"index.html": "fine"})

    with pytest.raises(GuardRefused) as caught:
        site.build({"index.html": page}, guards=(SCAN,))

    assert caught.value.code == "VB5002"
    assert caught.value.diagnostics[0].where == "index.html"
    assert secret not in repr(caught.value.diagnostics)
    assert site.served() == {"index.html": "fine"}


def test_control_without_the_guard_the_secret_is_published(site: Site) -> None:
    site.build({"index.html": TOKEN})
    assert site.served() == {"index.html": TOKEN}


def test_a_secret_across_the_border_of_two_reads_is_found(site: Site) -> None:
    for shift in (1, len(TOKEN) // 2, len(TOKEN) - 1):
        page = "x" * (CHUNK_BYTES - shift) + TOKEN + "x" * 10
        with pytest.raises(GuardRefused):
            site.build({"index.html": page}, guards=(SCAN,))


def test_a_secret_in_a_file_name_stops_the_release_and_stays_out_of_the_message(site: Site) -> None:
    with pytest.raises(GuardRefused) as caught:
        site.build({f"posts/{TOKEN}/index.html": "x"}, guards=(SCAN,))
    assert TOKEN not in repr(caught.value.diagnostics)


def test_an_honest_page_passes(site: Site) -> None:
    site.build({"index.html": f"{TOKEN[:-1]} velo_ {ODD[1:]}"}, guards=(SCAN,))
    assert site.out.exists()


def test_only_what_is_new_is_read(site: Site) -> None:
    site.build({"old.html": TOKEN})
    site.build({"old.html": TOKEN, "new.html": "x"}, guards=(SCAN,))
    assert set(site.served()) == {"old.html", "new.html"}


def test_a_secret_too_short_to_be_told_from_text_is_not_looked_for() -> None:
    assert disguises("abc") == frozenset()
