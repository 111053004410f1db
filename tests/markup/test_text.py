"""Characters and words."""

from __future__ import annotations

from velobuild.markup.text import clean_text, count_words, first_words


def test_characters_that_no_page_may_hold_are_removed() -> None:
    assert clean_text("a\x00b\x1b[0mc\x85d\ufffee\ufdd0f\ue000g") == ("ab[0mcdefg", True)


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    text = "Größe\tنص عربي\n漢字 \u200dé\u202e 👩\u200d🚀 \uf015"
    assert clean_text(text) == (text, False)


def test_a_lone_surrogate_is_replaced_and_a_pair_is_joined() -> None:
    assert clean_text("a\ud800b") == ("a\ufffdb", True)
    assert clean_text("\ud83d\ude00") == ("😀", True)


def test_words_are_counted_in_scripts_with_and_without_spaces() -> None:
    assert count_words("one two\nthree") == 3
    assert count_words("größer als") == 2
    assert count_words("漢字漢字 word") == 3


def test_a_text_is_cut_after_so_many_words() -> None:
    assert first_words("one  two,\nthree", 2) == "one two…"
    assert first_words("one two", 2) == "one two"
    assert first_words("漢字漢字漢", 2) == "漢字漢字…"
    assert first_words("", 2) == ""
