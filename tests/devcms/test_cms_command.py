"""`velobuild cms` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from velobuild.cli.cms import cms
from velobuild.devcms import DevCms
from velobuild.errors import ConfigError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a command on a folder of its own; what velobuild raises is raised."""
    folder = tmp_path / "cms"

    def command(*arguments: str) -> Result:
        result = CliRunner().invoke(cms, ["--data", str(folder), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield command
    DevCms(folder).stop()


def shown(result: Result, name: str) -> str:
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(name)]
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
    assert seeded.stdout == "Seeded 1 posts (1 new, 0 changed), 0 media files.\n"
    assert "media/none.png is not in the folder" in seeded.stderr

    status = run("status")
    assert (status.exit_code, shown(status, "Posts")) == (0, "1 (1 published)")
    assert run("stop").stderr == "Stopped.\n"
    assert run("status").exit_code == 1
    assert run("stop").stderr == "It was not running.\n"
    with pytest.raises(ConfigError, match="not running"):
        run("key", "list")


def test_keys_webhooks_and_switches(run: Run) -> None:
    api = shown(run("start", "--port", "0"), "API")

    key = run("key", "create", "builder").stdout.strip()
    run("key", "create", "posts only", "--scope", "posts:read")
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{api}/media", headers=headers, trust_env=False).status_code == 200
    run("key", "revoke", "builder")
    assert httpx.get(f"{api}/media", headers=headers, trust_env=False).status_code == 401
    listed = run("key", "list").stdout
    assert listed == "builder\trevoked\tposts:read media:read site-settings:read\nposts only\tvalid\tposts:read\n"
    assert key not in listed

    url = "http://127.0.0.1:9/hook"
    secret = run("webhook", "add", url, "--event", "post.deleted", "--variant", "raw").stdout.strip()
    assert len(bytes.fromhex(secret)) == 32
    id, *rest = run("webhook", "list").stdout.strip().split("\t")
    assert rest == ["on", "raw", url, "post.deleted"]
    sent = run("webhook", "ping", url).stdout.strip()
    assert run("webhook", "deliveries").stdout.startswith(f"{sent}\ttest.ping\t")
    run("webhook", "remove", id)
    assert run("webhook", "list").stdout == run("webhook", "deliveries").stdout == ""

    changed = run("switch", "rate_limit=3", "list_bodies=on", "dates=space").stdout.splitlines()
    assert {"rate_limit=3", "list_bodies=on", "dates=space"} <= set(changed)
    assert json.loads(run("switch", "--json").stdout)["rate_limit"] == 3
    assert "list_bodies=off" in run("switch", "--reset").stdout
    for wrong in ("rate_limit", "nonsense=1", "dates=roman"):
        with pytest.raises(ConfigError):
            run("switch", wrong)
