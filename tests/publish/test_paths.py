from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velobuild.errors import GuardRefused
from velobuild.publish.paths import Claims, check_path

BAD = [
    "",
    "/etc/passwd",
    "../../etc/passwd",
    "a/../../b",
    "a/./b",
    "a//b",
    "a/",
    ".",
    "..",
    "..\\..\\windows",
    "a\0b",
    "a\nb",
    "a\x1bb",
    "a\x7fb",
    "a\x85b",
    "caf\u0065\u0301/index.html",
    "\ud800",
    "x" * 256,
    "字" * 86,
    "/".join(["x" * 200] * 11),
]
GOOD = [
    "index.html",
    "posts/café/index.html",
    ".well-known/security.txt",
    "字" * 85,
    "a..b/c",
    "%2e%2e/x",
    "media/a b.png",
]


@pytest.mark.parametrize("path", BAD, ids=ascii)
def test_a_path_that_could_leave_the_folder_or_is_no_file_name_is_refused(path: str) -> None:
    with pytest.raises(GuardRefused) as caught:
        check_path(path)
    assert caught.value.code == "VB5003"
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("path", GOOD, ids=ascii)
def test_an_honest_path_is_taken_as_it_is(path: str) -> None:
    assert check_path(path) == path


def test_control_an_absolute_path_leaves_the_folder_when_it_is_only_joined() -> None:
    assert Path("/site/public") / "/etc/passwd" == Path("/etc/passwd")


@given(st.text(max_size=40) | st.lists(st.sampled_from(["..", ".", "", "a", "\\", "é"]), max_size=6).map("/".join))
def test_every_accepted_path_stays_below_its_folder(path: str) -> None:
    try:
        check_path(path)
    except GuardRefused:
        return
    import os.path

    assert os.path.normpath(f"/site/public/{path}") == f"/site/public/{path}"
    assert path.encode()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/index.html", "a/index.html"),
        ("Post/index.html", "post/index.html"),
        ("STRASSE", "straße"),
        ("ÉTÉ/x", "été/x"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("A", "a/b"),
        ("a/b/c", "A/B"),
    ],
)
def test_two_outputs_that_would_be_one_file_somewhere_are_refused(first: str, second: str) -> None:
    claims = Claims()
    claims.take(first)
    with pytest.raises(GuardRefused) as caught:
        claims.take(second)
    assert caught.value.code == "VB5003"
    assert first in str(caught.value)


def test_neighbours_do_not_collide() -> None:
    claims = Claims()
    for path in ["a/b", "a/c", "ab", "a.html", "Tag/x", "tag/y"]:
        claims.take(path)


def test_a_claim_given_back_can_be_taken_again() -> None:
    claims = Claims()
    claims.take("a/b")
    claims.give_back("a/b")
    claims.take("a/b")
