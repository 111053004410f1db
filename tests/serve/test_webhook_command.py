"""`velobuild webhook` and `velobuild events` as people use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.command_line import Ended, velobuild
from tests.serve.door import NOW, SECRET, SITE, STANDARD_SECRET, Running, running
from tests.serve.vectors import BODY_V1, mac
from velobuild.config.schema import Loaded
from velobuild.config.webhook_secrets import read_webhook_secrets
from velobuild.errors import Diagnostic
from velobuild.model.ports import utc_now
from velobuild.serve.events import Event, Letter
from velobuild.serve.queue import Queue
from velobuild.serve.status import SiteStatus, write_status


def make_site(folder: Path, listen: str = "") -> Path:
    (folder / ".velobuild").mkdir(parents=True)
    (folder / "velobuild.toml").write_text(f'[source]\nurl = "http://127.0.0.1:9"\n[listen]\n{listen}')
    (folder / ".env").write_text(f"VELOBUILD_WEBHOOK_SECRET={SECRET}\n")
    (folder / ".env").chmod(0o600)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path / "site")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Running]]:
    """A site whose status names a running door and its queue."""
    (tmp_path / "door").mkdir()
    with running(tmp_path / "door", dialects="velocms,hmac,bearer") as server:
        folder = make_site(tmp_path / "site", f'address = "127.0.0.1:{server.port}"\n')
        write_status(folder / ".velobuild", SiteStatus(SITE, queue=str(tmp_path / "door" / "queue.db")))
        yield folder, server


def run(folder: Path, *arguments: str, **environment: str) -> Ended:
    return velobuild(*arguments, directory=folder, environment=environment)


# --- sign


def test_what_is_signed_is_what_the_sender_would_sign(site: Path, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY_V1)
    ended = run(site, "webhook", "sign", "post.published", "--body", str(tmp_path / "body"), "--json")
    shown = json.loads(ended.out)
    sent = shown["headers"]["X-VeloCMS-Timestamp"].encode()
    right = mac(SECRET.encode(), b"v1:" + sent + b":" + BODY_V1).decode()
    assert (shown["headers"]["X-VeloCMS-Signature"], shown["body"].encode()) == (f"v1={right}", BODY_V1)
    assert ended.code == 0


def test_a_signed_delivery_is_headers_an_empty_line_and_a_body(site: Path) -> None:
    ended = run(site, "webhook", "sign", "post.updated", "--slug", "soup", "--post-id", "p1", "--variant", "raw")
    head, _, body = ended.out.partition("\n\n")
    assert head == f"X-VeloCMS-Signature: {mac(SECRET.encode(), body.strip().encode()).decode()}"
    assert json.loads(body)["data"] == {"slug": "soup"}


def test_it_speaks_as_the_cms_of_the_site_does_whichever_source_that_is(site: Path) -> None:
    comet = '[[source]]\ntype = "cometcms"\nname = "c"\nurl = "http://127.0.0.1:9"\nworkspace = "main"\n'
    roles = '[source.collections]\nposts = "blogpost"\n'
    (site / "velobuild.toml").write_text(f'[[source]]\ntype = "folder"\n{comet}{roles}')
    head, _, body = run(site, "webhook", "sign", "post.updated", "--post-id", "p1").out.partition("\n\n")
    assert head.startswith("X-CometCMS-Signature: sha256=")
    assert json.loads(body)["data"] == {"type": "blogpost", "id": "p1"}


def test_the_secret_is_never_shown(site: Path) -> None:
    for dialect in ("velocms", "cometcms", "polycms", "hmac"):
        ended = run(site, "webhook", "sign", "post.updated", "--slug", "x", "--dialect", dialect)
        assert ended.code == 0
        assert SECRET not in ended.out + ended.err


def test_without_a_secret_it_says_where_one_belongs(site: Path) -> None:
    (site / ".env").unlink()
    ended = run(site, "webhook", "sign")
    assert ended.code == 2
    assert "VB1205" in ended.err
    assert "VELOBUILD_WEBHOOK_SECRET" in ended.err


def test_an_event_that_the_sender_does_not_have_is_refused(site: Path) -> None:
    ended = run(site, "webhook", "sign", "order.paid", "--dialect", "cometcms")
    assert ended.code == 2
    assert "cometcms sends no event `order.paid`" in ended.err


# --- send


@pytest.mark.parametrize(
    ("dialect", "options"),
    [("velocms", ("--variant", "v1")), ("velocms", ("--variant", "raw")), ("hmac", ()), ("bearer", ())],
)
def test_a_delivery_is_sent_and_taken(served: tuple[Path, Running], dialect: str, options: tuple[str, ...]) -> None:
    folder, server = served
    ended = run(folder, "webhook", "send", "post.updated", "--slug", "soup", "--dialect", dialect, *options)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("Accepted in ")
    queue = server.queue()
    assert [event.slug for event in queue.take(SITE)] == ["soup"]
    queue.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "status"),
    [
        (("--skew", "-400"), {}, "401"),
        ((), {"VELOBUILD_WEBHOOK_SECRET": "x" * 20}, "401"),
        (("--url", "http://127.0.0.1:{port}/hooks/other"), {}, "404"),
    ],
)
def test_a_refusal_is_told_with_what_may_be_wrong(
    served: tuple[Path, Running], arguments: tuple[str, ...], environment: dict[str, str], status: str
) -> None:
    folder, server = served
    filled = [argument.replace("{port}", str(server.port)) for argument in arguments]
    ended = run(folder, "webhook", "send", *filled, **environment)
    assert ended.code == 6
    assert f"the delivery was answered with {status}" in ended.err
    assert "help: " in ended.err


def test_nobody_there_is_told_too(site: Path) -> None:
    ended = run(site, "webhook", "send", "--url", "http://127.0.0.1:9/hooks/site")
    assert ended.code == 6
    assert "VB6008" in ended.err
    assert "is `velobuild listen` running" in ended.err


def test_a_secret_that_is_sent_itself_never_goes_out_unencrypted(site: Path) -> None:
    ended = run(site, "webhook", "send", "--dialect", "bearer", "--url", "http://blog.example.org/hooks/site")
    assert ended.code == 2
    assert "VB1301" in ended.err


# --- events


def test_events_are_listed_with_what_became_of_them(served: tuple[Path, Running]) -> None:
    folder, server = served
    queue = server.queue()
    ids = queue.accept(
        [
            Event(SITE, "velocms", "post.updated", "p1", "soup", None, NOW, "d1"),
            Event(SITE, "velocms", "ping", None, None, None, NOW, "d2"),
            Event("another", "velocms", "post.updated", "p9", "secret", None, NOW, "d3"),
        ]
    )
    queue.take(SITE)
    queue.finish(ids[:1], "built", NOW)
    queue.close()
    assert run(folder, "events").out == (
        "     2  2024-04-26 14:00:00  done (nothing)  ping\n"
        "     1  2024-04-26 14:00:00  done            post.updated  soup\n"
    )
    shown = json.loads(run(folder, "events", "--json", "--limit", "1").out)
    assert [(event["id"], event["kind"], event["state"], event["outcome"]) for event in shown] == [
        (2, "ping", "done", "nothing")
    ]
    assert run(folder, "events", "--replay", "3").code == 2


def test_a_test_delivery_is_shown_by_status(served: tuple[Path, Running]) -> None:
    folder, _ = served
    assert "Last test delivery: none" in run(folder, "status").out
    assert run(folder, "webhook", "send", "test.ping").code == 0
    shown = run(folder, "status")
    at = json.loads(run(folder, "status", "--json").out)["last_ping_at"]
    assert datetime.fromisoformat(at) <= utc_now()
    assert f"Last test delivery: {at}" in shown.out


def test_dead_letters_are_shown_without_what_could_harm_a_terminal_and_replayed(served: tuple[Path, Running]) -> None:
    folder, server = served
    queue = server.queue()
    queue.accept([], [Letter(SITE, "velocms", "it is not JSON", b"\x1b[31m{" + b"x" * 500, NOW)])
    ended = run(folder, "events", "--dead")
    assert "velocms: it is not JSON" in ended.out
    assert "\x1b" not in ended.out
    assert "…" in ended.out
    assert json.loads(run(folder, "events", "--replay", "1", "--json").out) == {"replayed": 1, "id": 2}
    assert [event.kind for event in queue.take(SITE)] == ["reconcile"]
    queue.close()
    missing = run(folder, "events", "--replay", "77")
    assert missing.code == 2
    assert "there is no event 77" in missing.err


def test_before_any_service_ran_there_are_no_events_to_list(site: Path) -> None:
    ended = run(site, "events")
    assert ended.code == 2
    assert "no service of this site has run here yet" in ended.err
    Queue(site / ".velobuild/queue.db", utc_now).close()
    assert (run(site, "events").code, run(site, "events").err) == (0, "No event has come in yet\n")
    assert json.loads(run(site, "events", "--json").out) == []


# --- where secrets come from


def secrets(folder: Path, listen: str = "", **environment: str) -> list[tuple[str, str]]:
    from velobuild.config.load import load

    (folder / "velobuild.toml").write_text(f'[source]\nurl = "http://127.0.0.1:9"\n[listen]\n{listen}')
    loaded: Loaded = load(None, directory=folder, environment=environment)
    warnings: list[Diagnostic] = []
    found = read_webhook_secrets(loaded, environment=environment, warn=warnings)
    return [(secret.reveal(), secret.origin) for secret in found]


def test_secrets_are_found_in_every_place_in_their_order_and_each_once(site: Path, tmp_path: Path) -> None:
    """6.6: the new one and the old one count side by side."""
    (tmp_path / "VELOBUILD_WEBHOOK_SECRET").write_text("from-systemd-12345\n")
    (site / "hooks").write_text(f"from-a-file-123456\n\n{SECRET}\n")
    (site / "hooks").chmod(0o600)
    found = secrets(
        site,
        'secret_file = "hooks"\n',
        VELOBUILD_WEBHOOK_SECRET_2="second-secret-1234",
        CREDENTIALS_DIRECTORY=str(tmp_path),
    )
    assert found == [
        (SECRET, "VELOBUILD_WEBHOOK_SECRET in .env"),
        ("second-secret-1234", "environment variable VELOBUILD_WEBHOOK_SECRET_2"),
        ("from-systemd-12345", "credential VELOBUILD_WEBHOOK_SECRET"),
        ("from-a-file-123456", "file hooks"),
    ]


def test_another_variable_may_hold_the_secret(site: Path) -> None:
    found = secrets(site, 'secret_env = "BLOG_HOOK"\n', BLOG_HOOK=STANDARD_SECRET)
    assert found == [(STANDARD_SECRET, "environment variable BLOG_HOOK")]


def test_a_secret_in_the_configuration_file_is_refused(site: Path) -> None:
    (site / "velobuild.toml").write_text(f'[source]\nurl = "http://127.0.0.1:9"\n[listen]\nsecret = "{SECRET}"\n')
    ended = run(site, "webhook", "sign")
    assert ended.code == 2
    assert "VB1203" in ended.err
    assert SECRET not in ended.err
