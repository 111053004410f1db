"""Front matter: what is read, and where a mistake is."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from velobuild.errors import ContentProblem
from velobuild.markup.frontmatter import split


def problem(text: str) -> ContentProblem:
    with pytest.raises(ContentProblem) as caught:
        split(text, where="pages/about.md")
    assert caught.value.code == "VB3005"
    return caught.value


def place(text: str) -> str | None:
    return problem(text).diagnostics[0].where


def test_yaml_and_toml_give_the_same_fields() -> None:
    expected = {"title": "A: b", "tags": ["x", "y"], "draft": True, "weight": 3}
    assert split('---\ntitle: "A: b"\ntags: [x, y]\ndraft: true\nweight: 3\n---\nBody\n', where="f") == (
        expected,
        "Body\n",
    )
    assert split('+++\ntitle = "A: b"\ntags = ["x", "y"]\ndraft = true\nweight = 3\n+++\n\nBody\n', where="f") == (
        expected,
        "Body\n",
    )


def test_dates_come_as_dates() -> None:
    fields, _ = split("---\nday: 2026-03-01\nmoment: 2026-03-01T10:00:00Z\n---\n", where="f")
    assert fields == {"day": date(2026, 3, 1), "moment": datetime(2026, 3, 1, 10, tzinfo=UTC)}


def test_words_that_yaml_1_1_turns_into_other_values_stay_words() -> None:
    text = "a: no\nb: on\nc: 12:30\nd: 0o17\ne: 1_000\nf: 007\n"
    fields, _ = split(f"---\n{text}---\n", where="f")
    assert fields == {"a": "no", "b": "on", "c": "12:30", "d": "0o17", "e": "1_000", "f": "007"}
    assert yaml.safe_load(text)["a"] is False  # The control: the naive way loses the word.


def test_a_text_without_front_matter_is_all_body() -> None:
    assert split("Hello\n---\nx: 1\n---\n", where="f") == ({}, "Hello\n---\nx: 1\n---\n")
    assert split("", where="f") == ({}, "")
    assert split("---- \n", where="f") == ({}, "---- \n")


def test_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    assert split("\ufeff---\r\ntitle: x\r\n---\r\nBody\r\n", where="f") == ({"title": "x"}, "Body\n")


def test_an_empty_head_and_the_other_yaml_end_are_fine() -> None:
    assert split("---\n---\nBody", where="f") == ({}, "Body")
    assert split("---\na: 1\n...\nBody", where="f") == ({"a": 1}, "Body")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("---\ntitle: ok\nbad: [1, 2\n---\n", "pages/about.md:4"),
        ("---\ntitle: a\nb: c: d\n---\n", "pages/about.md:3"),
        ("---\na: 1\nb: 2\na: 3\n---\n", "pages/about.md:4"),
        ("---\na: &x 1\nb: *x\n---\n", "pages/about.md:2"),
        ("---\na: !!python/object/apply:os.system [x]\n---\n", "pages/about.md:2"),
        ("---\n[a]: 1\n---\n", "pages/about.md:2"),
        ("---\n- a\n- b\n---\n", "pages/about.md:2"),
        ("---\nday: 2026-13-45\n---\n", "pages/about.md:1"),
        ("---\ntitle: open\n", "pages/about.md:1"),
        ("+++\na = 1\nb = \n+++\n", "pages/about.md:3"),
        ("+++\na = 1\na = 2\n+++\n", "pages/about.md:3"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, where: str) -> None:
    assert place(text) == where


def test_a_small_text_cannot_become_a_large_value() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))
    assert "anchors" in str(problem(f"---\n{bomb}---\n"))
    assert len(yaml.safe_load(bomb)) == 30  # The control: plain YAML takes it.
    problem("---\na: " + "[" * 5_000 + "]" * 5_000 + "\n---\n")
    problem("+++\na = " + "[" * 20_000 + "]" * 20_000 + "\n+++\n")
    problem("---\nx: " + "y" * 70_000 + "\n---\n")
    problem("+++\nx = " + "9" * 6_000 + "\n+++\n")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["---", "+++"]), st.text(alphabet="ab:-[]{}&*!|>'\"#=,. 01\n\t\x00é\ud800", max_size=60))
def test_any_head_is_read_or_refused_with_our_own_error(fence: str, head: str) -> None:
    try:
        split(f"{fence}\n{head}\n{fence}\nbody", where="f")
    except ContentProblem as error:
        assert error.code == "VB3005"  # noqa: PT017
