"""E1 to E6: where media may come from, and that nothing else is even connected to."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from threading import Event
from typing import Any

import httpcore
import httpx
import pytest

from tests.media.server import MediaServer
from velobuild.errors import ConfigError, GuardRefused, ProtocolError, SourceUnavailable
from velobuild.http.addresses import IP, AddressPolicy, is_public, read_address, shown
from velobuild.http.download import Downloader

API = "https://cms.example"
INWARD = [
    "169.254.169.254",
    "localhost:8090",
    "[::1]",
    "0",
    "0.0.0.0",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "127.0.0.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "10.0.0.1",
    "１２７.1",
    "[fe80::1]",
]


class Connections(httpcore.NetworkBackend):
    """Records where connections would go and makes none."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self.made.append(host)
        raise httpcore.ConnectError("recorded")


def downloader(policy: AddressPolicy, network: Connections, answers: list[list[str]]) -> Downloader:
    turns = iter(answers)

    def resolve(host: str, port: int) -> list[IP]:
        return [ip_address(text) for text in next(turns)]

    return Downloader(policy, limit_bytes=1000, resolve=resolve, network=network, first_pause_s=0)


@pytest.mark.parametrize("host", INWARD)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_e1_an_address_inside_gets_no_connection_even_if_a_record_or_the_configuration_names_it(
    host: str, scheme: str, tmp_path: Path
) -> None:
    network = Connections()
    url = f"{scheme}://{host}/secret.png"
    try:
        policy = AddressPolicy.of(API, record_urls=[url], media_hosts=[host])
    except ConfigError:
        policy = AddressPolicy.of(API, record_urls=[url])
    loader = Downloader(policy, limit_bytes=1000, network=network, first_pause_s=0)
    with pytest.raises(GuardRefused) as caught:
        loader.download(url, tmp_path / "x")
    loader.close()
    assert (network.made, caught.value.code) == ([], "VB4002")


@pytest.mark.parametrize("form", ["127.1", "2130706433", "0x7f.1", "localhost"])
def test_e1_control_a_plain_client_lands_on_this_machine(form: str) -> None:
    with MediaServer() as inside:
        inside.serve("/x", b"internal")
        try:
            answer = httpx.get(f"http://{form}:{inside.port}/x", trust_env=False)
        except httpx.InvalidURL:
            pytest.fail("the control no longer shows the danger")
        assert (answer.content, len(inside.requests)) == (b"internal", 1)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://cms.example/", "ftp://cms.example/x", "data:image/png;base64,AA==", "//x/y"]
)
def test_e2_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(GuardRefused, match="address"):
        AddressPolicy.of(API).permit(url)


def test_e3_a_public_name_with_a_private_address_is_refused_before_the_connection(tmp_path: Path) -> None:
    network = Connections()
    loader = downloader(AddressPolicy.of(API, media_hosts=["cdn.example"]), network, [["93.184.216.34", "10.0.0.7"]])
    with pytest.raises(GuardRefused, match=r"10\.0\.0\.7"):
        loader.download("https://cdn.example/a.png", tmp_path / "x")
    assert network.made == []


def test_e3_the_connection_goes_to_the_address_that_was_checked_though_the_name_changes_its_mind(
    tmp_path: Path,
) -> None:
    network = Connections()
    answers = [["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]]
    loader = downloader(AddressPolicy.of(API, media_hosts=["cdn.example"]), network, answers)
    with pytest.raises(GuardRefused):
        loader.download("https://cdn.example/a.png", tmp_path / "x")
    # The first try connects to the checked number, never to the name; the second sees the new answer and stops.
    assert network.made == ["93.184.216.34"]


GAPS = ["224.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "192.0.0.9"]


@pytest.mark.parametrize(
    "text",
    [*GAPS, "::ffff:10.0.0.1", "::7f00:1", "100.64.0.1", "168.63.129.16", "2001:0:1::", "fd00::1", "255.255.255.255"],
)
def test_e4_addresses_that_lead_inside_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


def test_e4_control_the_library_calls_some_of_them_global() -> None:
    assert any(ip_address(text).is_global for text in GAPS)


@pytest.mark.parametrize("text", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"])
def test_e4_public_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "https://cms.example\\@evil.example/",
        "https://cms.example@evil.example/",
        "https://user:pass@cms.example/",
        "https://cms.example.evil.example/",
        "https://cms.example./a.png",
        "https://cms.exаmple/a.png",  # a Cyrillic letter
        "https://cms.example:8443/a.png",
        "https://cms.example:0/",
        "https://cms.example:99999/",
        "https://cms.example%00.evil/",
        "https://cms.ex\tample/",
        "https:/cms.example/a.png",
        "https:cms.example/a.png",
        "https:///cms.example/a.png",
        "https://[cms.example]/",
        "https://cms.example\n/",
        "http://cms.example/a.png",
        "https://evil.example#@cms.example/",
        "https://evil.example?@cms.example/",
        "https://\ud800/",
    ],
)
def test_e5_a_host_counts_only_if_it_is_exactly_the_allowed_one(url: str) -> None:
    with pytest.raises(GuardRefused):
        AddressPolicy.of(API).permit(url)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://cms.example/a.png#top", "https://cms.example/a.png"),
        ("HTTPS://CMS.Example:443/a b/é.png?x=1&y=%20", "https://cms.example/a%20b/%C3%A9.png?x=1&y=%20"),
        ("https://cms.example", "https://cms.example/"),
        ("https://cms.example?x", "https://cms.example/?x"),
    ],
)
def test_a_plain_url_is_read_as_browsers_read_it(url: str, plain: str) -> None:
    assert plain == AddressPolicy.of(API).permit(url).url


def test_an_international_host_is_compared_in_its_ascii_form() -> None:
    policy = AddressPolicy.of(API, media_hosts=["bücher.example"])
    assert policy.permit("https://BÜCHER.example/a").url == "https://xn--bcher-kva.example/a"


def test_e5_a_user_name_is_refused_by_name() -> None:
    with pytest.raises(GuardRefused, match="a user name stands before"):
        AddressPolicy.of(API).permit("https://cms.example@evil.example/")


def test_hosts_of_media_records_are_allowed_over_https_alone() -> None:
    policy = AddressPolicy.of(API, record_urls=["https://cdn.example/1.png", "http://old.example/2.png", "/3.png"])
    assert [
        policy.allows(url)
        for url in ("https://cdn.example/9.png", "http://old.example/2.png", "https://old.example/2.png")
    ] == [True, False, False]


def test_a_refused_host_comes_with_the_line_to_write() -> None:
    with pytest.raises(GuardRefused) as caught:
        AddressPolicy.of(API).permit("https://pics.example/a.png?signature=abc")
    finding = caught.value.diagnostics[0]
    assert (finding.code, finding.where) == ("VB4002", "https://pics.example/a.png")
    assert 'media_hosts = ["pics.example"]' in (finding.hint or "")


def test_a_url_in_a_message_has_neither_query_nor_password_nor_control_characters() -> None:
    assert shown("https://user:pw@h/a\x1b[2J?token=1#f") == "https://h/a\N{REPLACEMENT CHARACTER}[2J"


@pytest.mark.parametrize("text", ["", "http://x", "a/b", "user@host", "127.1"])
def test_a_media_host_that_is_none_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AddressPolicy.of(API, media_hosts=[text])
    assert caught.value.code == "VB1101"


def test_a_private_cms_is_reached_at_its_own_origin_and_lends_its_privilege_to_no_other(tmp_path: Path) -> None:
    network = Connections()
    policy = AddressPolicy.of("https://10.0.0.5:8443", record_urls=["https://10.0.0.6/x"])
    loader = Downloader(policy, limit_bytes=1000, network=network, first_pause_s=0)
    with pytest.raises(SourceUnavailable):
        loader.download("https://10.0.0.5:8443/a.png", tmp_path / "x")
    assert {"10.0.0.5"} == set(network.made)
    for url in ("https://10.0.0.5/a.png", "https://10.0.0.6/x"):
        with pytest.raises(GuardRefused):
            loader.download(url, tmp_path / "x")
    assert {"10.0.0.5"} == set(network.made)


def test_an_unencrypted_api_is_trusted_on_this_machine_alone(tmp_path: Path) -> None:
    network = Connections()
    loader = downloader(AddressPolicy.of("http://localhost:8090"), network, [["93.184.216.34"]])
    with pytest.raises(GuardRefused):
        loader.download("http://localhost:8090/a.png", tmp_path / "x")
    with pytest.raises(GuardRefused, match="not encrypted"):
        AddressPolicy.of("http://cms.example").permit("http://cms.example/a.png")
    assert network.made == []


def redirecting(server: MediaServer, to: str, status: int = 302) -> str:
    return server.serve("/go", lambda request: request.answer(status, Location=to))


def test_e6_a_redirect_to_another_origin_is_checked_like_any_address(tmp_path: Path) -> None:
    with MediaServer() as cms, MediaServer() as inside:
        secret = inside.serve("/secret.png", b"internal")
        url = redirecting(cms, secret)
        loader = Downloader(AddressPolicy.of(cms.url), limit_bytes=1000, first_pause_s=0)
        with pytest.raises(GuardRefused):
            loader.download(url, tmp_path / "x")
        loader.close()
        assert (len(cms.requests), len(inside.requests)) == (1, 0)
        # Control: a client that simply follows does reach it.
        assert httpx.get(url, follow_redirects=True, trust_env=False).content == b"internal"


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "http://[::1", "http://127.1/x", "\\\\evil\\x", "//evil.example/x"]
)
def test_e6_a_redirect_to_nonsense_is_refused(to: str, tmp_path: Path) -> None:
    with MediaServer() as cms:
        loader = Downloader(AddressPolicy.of(cms.url), limit_bytes=1000, first_pause_s=0)
        with pytest.raises(GuardRefused):
            loader.download(redirecting(cms, to), tmp_path / "x")
        loader.close()


def test_e6_a_loop_ends_after_three_redirects(tmp_path: Path) -> None:
    with MediaServer() as cms:
        loader = Downloader(AddressPolicy.of(cms.url), limit_bytes=1000, first_pause_s=0)
        with pytest.raises(ProtocolError, match="more than 3 times"):
            loader.download(redirecting(cms, "/go"), tmp_path / "x")
        loader.close()
        assert len(cms.requests) == 4


def test_e6_three_redirects_within_the_origin_are_followed_and_no_token_goes_along(tmp_path: Path) -> None:
    with MediaServer() as cms:
        for step, status in enumerate((301, 307, 308)):
            cms.serve(f"/{step}", lambda request, to=f"/{step + 1}", s=status: request.answer(s, Location=to))  # type: ignore[misc]
        cms.serve("/3", b"found")
        loader = Downloader(AddressPolicy.of(cms.url), limit_bytes=1000, stop=Event())
        loader.download(cms.url + "/0", tmp_path / "x")
        loader.close()
        assert (tmp_path / "x").read_bytes() == b"found"
        names = {name for seen in cms.requests for name in seen.headers}
        assert {"host", "user-agent", "accept", "accept-encoding"} == names


def test_the_environment_names_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MediaServer() as cms, MediaServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        loader = Downloader(AddressPolicy.of(cms.url), limit_bytes=1000)
        loader.download(cms.serve("/a", b"x"), tmp_path / "x")
        loader.close()
        assert (len(cms.requests), len(proxy.requests)) == (1, 0)
        httpx.get(cms.url + "/a")  # control: the library's default does ask the proxy
        assert len(proxy.requests) == 1


def test_the_resolver_reads_what_the_system_reads() -> None:
    # The reason for the strict reading of hosts: for the C library these are addresses of this machine.
    assert socket.getaddrinfo("127.1", 80, type=socket.SOCK_STREAM)[0][4][0] == "127.0.0.1"
    with pytest.raises(GuardRefused):
        read_address("http://127.1/")
