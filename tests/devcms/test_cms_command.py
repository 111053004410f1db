"""`velobuild cms` from the command line."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import click
import httpx
import pytest

from tests.cli.command_line import Ended, velobuild
from velobuild.cli.cms import cms
from velobuild.devcms import DevCms

Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs `velobuild cms` on a folder of its own."""
    folder = tmp_path / "cms"

    def command(*arguments: str) -> Ended:
        return velobuild("cms", "--data", str(folder), *arguments, directory=tmp_path)

    yield command
    DevCms(folder).stop()


def leaves(command: click.Command = cms, *path: str) -> set[tuple[str, ...]]:
    """Every command below `velobuild cms`, as it is typed."""
    if not isinstance(command, click.Group):
        return {path}
    return {leaf for name, inner in command.commands.items() for leaf in leaves(inner, *path, name)}


def shown(result: Ended, name: str) -> str:
    (line,) = [line for line in result.out.splitlines() if line.startswith(name)]
    return line.removeprefix(name).strip()


def test_from_start_to_stop(run: Run, tmp_path: Path) -> None:
    started = run("start", "--port", "0")
    api = shown(started, "API")
    assert shown(started, "Dashboard") == api.replace("/api/v1", "/_/")
    login = {"identity": shown(started, "E-mail"), "password": shown(started, "Password")}
    sign_in = api.replace("/v1", "/collections/_superusers/auth-with-password")
    assert httpx.post(sign_in, json=login, trust_env=False).status_code == 200
    assert shown(run("start"), "API") == api, "starting again finds it, on whatever port"

    source = tmp_path / "seed" / "posts"
    source.mkdir(parents=True)
    (source / "salt.md").write_text("---\ntitle: Salt\n---\n![x](media/none.png)\n")
    seeded = run("seed", str(source.parent))
    assert seeded.out == "Seeded 1 posts (1 new, 0 changed), 0 media files.\n"
    assert "media/none.png is not in the folder" in seeded.err

    status = run("status")
    assert (status.code, shown(status, "Posts")) == (0, "1 (1 published)")
    assert run("stop").err == "Stopped.\n"
    assert run("stop").err == "It was not running.\n"


def test_keys_webhooks_and_switches(run: Run) -> None:
    api = shown(run("start", "--port", "0"), "API")

    key = run("key", "create", "builder").out.strip()
    run("key", "create", "posts only", "--scope", "posts:read")
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{api}/media", headers=headers, trust_env=False).status_code == 200
    run("key", "revoke", "builder")
    assert httpx.get(f"{api}/media", headers=headers, trust_env=False).status_code == 401
    listed = run("key", "list").out
    assert listed == "builder\trevoked\tposts:read media:read site-settings:read\nposts only\tvalid\tposts:read\n"
    assert key not in listed

    url = "http://127.0.0.1:9/hook"
    secret = run("webhook", "add", url, "--event", "post.deleted", "--variant", "raw").out.strip()
    assert len(bytes.fromhex(secret)) == 32
    id, *rest = run("webhook", "list").out.strip().split("\t")
    assert rest == ["on", "raw", url, "post.deleted"]
    sent = run("webhook", "ping", url).out.strip()
    assert run("webhook", "deliveries").out.startswith(f"{sent}\ttest.ping\t")
    run("webhook", "remove", id)
    assert run("webhook", "list").out == run("webhook", "deliveries").out == ""

    changed = run("switch", "rate_limit=3", "list_bodies=on", "dates=space").out.splitlines()
    assert {"rate_limit=3", "list_bodies=on", "dates=space"} <= set(changed)
    assert json.loads(run("--json", "switch").out)["rate_limit"] == 3
    assert "list_bodies=off" in run("switch", "--reset").out
    for wrong in ("rate_limit", "nonsense=1", "dates=roman"):
        assert (run("switch", wrong).code, run("switch", wrong).out) == (2, "")


HOOK = "http://127.0.0.1:9/hook"
WALK: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("start",), ("--port", "0")),
    (("seed",), ("content",)),
    (("key", "create"), ("builder",)),
    (("key", "list"), ()),
    (("key", "revoke"), ("builder",)),
    (("webhook", "add"), (HOOK,)),
    (("webhook", "list"), ()),
    (("webhook", "ping"), (HOOK,)),
    (("webhook", "deliveries"), ()),
    (("webhook", "remove"), (HOOK,)),
    (("switch",), ("rate_limit=3",)),
    (("status",), ()),
    (("stop",), ()),
)


@pytest.fixture
def content(tmp_path: Path) -> None:
    """A folder `content` to seed from, which gives a warning."""
    posts = tmp_path / "content" / "posts"
    posts.mkdir(parents=True)
    (posts / "salt.md").write_text("---\ntitle: Salt\n---\n![x](media/none.png)\n")


@pytest.mark.usefixtures("content")
def test_every_command_prints_one_json_document_with_json_and_talks_not_with_quiet(run: Run) -> None:
    assert {command for command, _ in WALK} == leaves()
    talked = {}
    for command, arguments in WALK:
        quiet = run(*command, *arguments, "--json", "-q")
        assert (quiet.code, quiet.err) == (0, ""), command
        document = json.loads(quiet.out)
        assert isinstance(document, dict | list), command
        assert "errors" not in document, command
    for command, arguments in WALK:
        ended = run(*command, *arguments)
        assert ended.code == 0, command
        talked[command] = ended.err
    # The control: these do talk without -q, and what was asked for alone is on stdout.
    assert {command for command, talk in talked.items() if talk} == {
        ("start",),
        ("seed",),
        ("key", "create"),
        ("key", "revoke"),
        ("webhook", "remove"),
        ("stop",),
    }


@pytest.mark.usefixtures("content")
def test_without_a_server_every_command_that_needs_one_says_so_in_json_too(run: Run) -> None:
    for command, arguments in WALK:
        if command not in (("start",), ("stop",)):
            ended = run(*command, *arguments, "--json")
            assert ended.code == 2, command
            assert [found["code"] for found in json.loads(ended.out)["errors"]] == ["VB1502"], command
            assert ended.err.startswith("error[VB1502]: the development CMS is not running\n"), command


def test_a_name_or_address_that_cannot_be_is_refused_in_words(run: Run) -> None:
    run("start", "--port", "0")
    for name in ("", " ", "two\nlines", "a\ttab"):
        assert run("key", "create", name).err.startswith("error[VB1107]: a key needs a name of one line\n"), name
    for url in ("notaurl", "ftp://example.org/", "https://", "http://[", "http://a:99999/", "http://a b/", "//a/"):
        refused = run("webhook", "add", url)
        assert (refused.code, refused.err.partition(":")[0]) == (2, "error[VB1107]"), url
    assert run("key", "list").out == run("webhook", "list").out == ""
    # What only the server knows to be wrong is told in words too.
    assert run("key", "create", "x" * 256).err.startswith("error[VB1502]: the development CMS refused: name: must be ")
    assert run("webhook", "add", "https://example.org/hook").code == 0, "the control"


def test_without_pocketbase_starting_leaves_nothing_behind(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", missing)
    ended = run("start", "--port", "0")
    assert ended.code == 2
    assert ended.err.startswith("error[VB1501]: PocketBase is not installed\n")
    assert list(tmp_path.iterdir()) == []
