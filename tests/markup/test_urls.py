"""Addresses: what a browser would make of them decides."""

from __future__ import annotations

import pytest

from velobuild.markup.urls import FILE_SCHEMES, absolute, body_id, checked, host, origin


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("HTTPS://A.example", "https://A.example"),
        ("  https://a.example/\n", "https://a.example/"),
        ("https:a.example/x", "https://a.example/x"),
        ("https:\\\\a.example\\x", "https://a.example/x"),
        ("https://good.example\\@evil.example/", "https://good.example/@evil.example/"),
        ("\\\\a.example/x", "//a.example/x"),
        ("/\\a.example", "//a.example"),
        ("////a.example", "//a.example"),
        ('/a b"c', "/a%20b%22c"),
        ("/größe", "/größe"),
        ("../up", "../up"),
        ("?q=a:b", "?q=a:b"),
        ("/time/12:30", "/time/12:30"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("tel:+4312345", "tel:+4312345"),
    ],
)
def test_an_address_is_read_as_browsers_read_it(written: str, understood: str) -> None:
    assert checked(written) == understood


@pytest.mark.parametrize(
    "written",
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "\u2028javascript:alert(1)",
        "\x01 javascript:alert(1)",
        "java\u200bscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "ftp://a.example/",
        "file:///etc/passwd",
        "ssh://a",
        "https://good.example@evil.example/",
        "//good@evil.example",
        "https://",
        "https:///",
        "",
        " ",
    ],
)
def test_an_address_that_misleads_is_refused(written: str) -> None:
    assert checked(written) is None


def test_a_picture_cannot_be_a_mail_address() -> None:
    assert checked("mailto:a@b", FILE_SCHEMES) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/media/a.jpg", "https://cms.example:8443/media/a.jpg"),
        ("/a/../b", "https://cms.example:8443/b"),
        ("a.jpg", "https://cms.example:8443/blog/a.jpg"),
        ("../../admin", "https://cms.example:8443/admin"),
        ("//other.example/x", "https://other.example/x"),
        ("https://other.example/x", "https://other.example/x"),
        ("?page=2", "https://cms.example:8443/blog/post?page=2"),
    ],
)
def test_relative_addresses_are_resolved_against_the_cms(address: str, expected: str) -> None:
    assert absolute(address, "https://cms.example:8443/blog/post") == expected


def test_without_a_base_relative_addresses_stay() -> None:
    assert absolute("../x", None) == "../x"
    assert absolute("/x", None) == "/x"
    assert absolute("//other.example/x", None) == "https://other.example/x"


def test_origins_are_compared_without_case_and_default_ports() -> None:
    assert origin("HTTPS://A.Example:443/x") == "https://a.example"
    assert origin("http://a.example:8080?x") == "http://a.example:8080"
    assert origin("/x") is None
    assert host("https://a.example:444/") == "a.example:444"


def test_body_ids_are_prefixed_once() -> None:
    assert body_id("x y") == "c-x-y"
    assert body_id("c-x") == "c-x"
    assert body_id("") == ""
