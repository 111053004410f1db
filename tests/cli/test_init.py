"""`init --source` for every kind: asks, looks at the CMS, writes; and `doctor` says in words what is wrong with one."""

from __future__ import annotations

import io
import os
import pty
import re
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.command_line import Ended, velobuild
from tests.contracts.gate import Gate, Shape
from tests.standin import StandIn
from tests.standins.comet import CometStandIn
from tests.standins.polycms import PolyStandIn
from velobuild.cli.init_kinds import KINDS
from velobuild.config.load import load
from velobuild.config.source_schema import BUILT_IN
from velobuild.devcms import GENEROUS, Running

KEY = "velo_" + "ab" * 32
REST = {"--url": "https://x.example.org"}


def test_there_is_a_kind_for_every_source() -> None:
    assert set(KINDS) == set(BUILT_IN)


@pytest.mark.parametrize("kind", KINDS)
def test_what_init_writes_is_valid_and_commented_for_every_kind(tmp_path: Path, kind: str) -> None:
    given = [] if kind == "folder" else ["--url", "https://x.example.org"]
    given += ["--workspace", "main"] if kind == "cometcms" else []
    ended = velobuild("init", "--offline", "--source", kind, *given, directory=tmp_path)
    assert ended.code == 0, ended.err
    text = (tmp_path / "velobuild.toml").read_text()
    source = tomllib.loads(text)["source"]
    assert source["type"] == kind
    assert source.get("token_env", "") == KINDS[kind].variable
    validated = velobuild("config", "validate", directory=tmp_path)
    assert validated.code == 0, validated.err
    # What stands in comments is right as well: an author takes a # away, no more.
    opened = [
        line[2:] if line.startswith(("# exclude", "# published", "# locales", "# types")) else line
        for line in text.splitlines()
    ]
    opened = [line[2:] if line.startswith("# [source.") else line for line in opened]
    (tmp_path / "velobuild.toml").write_text("\n".join(opened))
    validated = velobuild("config", "validate", directory=tmp_path)
    assert validated.code == 0, validated.err


def test_without_a_terminal_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Untouchable(io.StringIO):
        def readline(self, *size: int) -> str:  # type: ignore[override]
            raise AssertionError("something was asked")

    monkeypatch.setattr("sys.stdin", Untouchable())
    for kind in KINDS:
        assert velobuild("init", kind, "--offline", "--source", kind, directory=tmp_path).code == 0


def test_the_address_that_the_environment_knows_is_written_and_not_asked_for(tmp_path: Path) -> None:
    known = {"VELOCMS_SITE_URL": "https://blog.example.org/"}
    ended = velobuild("init", "--offline", directory=tmp_path, environment=known)
    assert ended.code == 0, ended.err
    assert tomllib.loads((tmp_path / "velobuild.toml").read_text())["source"]["url"] == "https://blog.example.org"
    assert "[source] url" not in ended.err


def test_a_wrong_address_of_the_environment_is_said_to_come_from_there(tmp_path: Path) -> None:
    ended = velobuild(
        "init", "--offline", directory=tmp_path, environment={"VELOCMS_SITE_URL": "ftp://blog.example.org"}
    )
    assert ended.code == 2
    assert "environment variable VELOCMS_SITE_URL" in ended.err
    assert not (tmp_path / "velobuild.toml").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--source", "folder", "--url", "https://x.example"],
        ["--workspace", "w"],
        ["--source", "velocms", "--path", "x"],
    ],
)
def test_a_flag_of_another_kind_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    ended = velobuild("init", *arguments, directory=tmp_path)
    assert (ended.code, "VB1107" in ended.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_site_can_be_built_at_once(tmp_path: Path) -> None:
    assert velobuild("init", "--source", "folder", directory=tmp_path).code == 0
    ended = velobuild("build", directory=tmp_path)
    assert ended.code == 0, ended.err
    assert (tmp_path / "public/hello/index.html").is_file()


# The CMS is asked.


def with_stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    class Given(io.TextIOWrapper):
        pass

    monkeypatch.setattr("sys.stdin", Given(io.BytesIO(text.encode())))


def token_is_only_in_dotenv(folder: Path, token: str, ended: Ended) -> None:
    assert token in (folder / ".env").read_text()
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert ".env" in (folder / ".gitignore").read_text().splitlines()
    for file in folder.rglob("*"):
        assert file.name == ".env" or not file.is_file() or token.encode() not in file.read_bytes()
    assert token not in ended.out + ended.err


@pytest.mark.parametrize("kind", ["velocms", "pocketbase"])
def test_init_shows_what_the_cms_holds_and_keeps_the_token_in_one_place(
    tmp_path: Path, devcms: Running, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    devcms.create_posts([{"title": f"Post {n}", "content_html": "<p>x", "tags": ["Bread"]} for n in range(3)])
    token = devcms.create_key("mine") if kind == "velocms" else devcms.create_reader_token()
    with_stdin(monkeypatch, f"{token}\n")
    folder = tmp_path / "blog"
    ended = velobuild("init", "blog", "--source", kind, "--url", devcms.url, "--token-stdin", directory=tmp_path)
    assert ended.code == 0, ended.err
    assert "tags: Bread" in ended.err
    assert ("3 are published" if kind == "velocms" else "it sees 3 records of `posts`") in ended.err
    assert "All is well" in ended.err or "0 errors" in ended.err
    token_is_only_in_dotenv(folder, token, ended)
    built = velobuild("build", directory=folder)
    assert built.code == 0, built.err
    assert (folder / "public/post-1/index.html").is_file()


@pytest.mark.parametrize("kind", ["polycms", "cometcms"])
def test_a_cms_that_shows_its_posts_to_all_is_looked_at_without_a_token(tmp_path: Path, kind: str) -> None:
    with PolyStandIn() if kind == "polycms" else CometStandIn() as cms:
        for number in range(3):
            if isinstance(cms, PolyStandIn):
                cms.put_post(title=f"Post {number}", slug=f"post-{number}")
            else:
                cms.put_post(f"post-{number}", content="Text")
        more = ["--workspace", cms.workspace] if isinstance(cms, CometStandIn) else []
        ended = velobuild("init", "--source", kind, "--url", cms.url, *more, directory=tmp_path)
        assert ended.code == 0, ended.err
        assert re.search(r"\b3\b.*(posts|published)", ended.err), ended.err
        assert "0 errors" in ended.err or "All is well" in ended.err
        built = velobuild("build", directory=tmp_path)
        assert built.code == 0, built.err
        assert (tmp_path / "public/post-1/index.html").is_file()


def test_a_field_that_cometcms_shows_nobody_is_named(tmp_path: Path) -> None:
    with CometStandIn() as cms:
        fields = cms.types["posts"]["fields"]
        fields["body"] = fields.pop("content")
        cms.put_post("one", body="Text")
        workspace = ["--workspace", cms.workspace]
        ended = velobuild("init", "--source", "cometcms", "--url", cms.url, *workspace, directory=tmp_path)
        assert ended.code == 0, "the site is written all the same"
        assert "VB1303" in ended.err
        assert "`body`" in ended.err
        assert velobuild("doctor", directory=tmp_path).code == 2


def test_a_missing_scope_is_shown(tmp_path: Path, devcms: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with_stdin(monkeypatch, devcms.create_key("narrow", ("posts:read",)))
    ended = velobuild("init", "--url", devcms.url, "--token-stdin", directory=tmp_path)
    assert ended.code == 0
    assert "give it the scope media:read" in ended.err


def test_a_dead_cms_is_said_and_the_site_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gate() as gone:
        url = gone.url
    with_stdin(monkeypatch, KEY)
    ended = velobuild("init", "--url", url, "--token-stdin", directory=tmp_path)
    assert ended.code == 0
    assert f"{url} could not be reached: Connection refused [VB2101]" in ended.err
    assert "1. if the address is wrong, mend it in velobuild.toml" in ended.err
    token_is_only_in_dotenv(tmp_path, KEY, ended)


@pytest.mark.parametrize("kind", ["polycms", "cometcms", "velocms"])
def test_a_refused_token_is_said_to_come_from_where_it_was_given_and_the_next_step_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with {"polycms": PolyStandIn, "cometcms": CometStandIn, "velocms": StandIn}[kind]() as cms:
        with_stdin(monkeypatch, KEY if kind == "velocms" else "nonsense-1234")
        more = ["--workspace", cms.workspace] if isinstance(cms, CometStandIn) else []
        url = cms.site if isinstance(cms, StandIn) else cms.url
        ended = velobuild("init", "--source", kind, "--url", url, *more, "--token-stdin", directory=tmp_path)
    assert ended.code == 0, ended.err
    assert "refused the token from stdin" in ended.err
    assert f"1. put another key into .env: {KINDS[kind].variable}" in ended.err
    assert ("none is needed" in ended.err.rpartition("Next:")[2]) == (kind != "velocms")


def test_a_token_joins_an_existing_secrets_file_that_becomes_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("OTHER=1")
    (tmp_path / ".env").chmod(0o644)
    with_stdin(monkeypatch, KEY)
    ended = velobuild("init", "--offline", "--token-stdin", directory=tmp_path)
    assert (tmp_path / ".env").read_text() == f"OTHER=1\nVELOCMS_API_KEY={KEY}\n"
    token_is_only_in_dotenv(tmp_path, KEY, ended)


@pytest.mark.parametrize("token", ["7|q3RmPz5vN8sLkT1wXyB2", "it's|quoted-0123456789", "plain-0123456789"])
def test_a_token_of_any_shape_comes_back_out_of_the_secrets_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    with_stdin(monkeypatch, token)
    given = ["--source", "polycms", "--url", "https://x.example.org"]
    assert velobuild("init", "--offline", *given, "--token-stdin", directory=tmp_path).code == 0
    assert [one.reveal() for one in load(None, directory=tmp_path, environment={}).tokens] == [token]
    shell = subprocess.run(["sh", "-c", '. ./.env; printf %s "$POLYCMS_TOKEN"'], cwd=tmp_path, capture_output=True)
    assert shell.stdout.decode() == token


class Conversation:
    """The program on a terminal of its own, and a person at it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.hand, theirs = pty.openpty()
        variables = {"HOME": str(folder), "PATH": os.environ["PATH"], "TERM": "dumb"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "velobuild", *arguments],
            cwd=folder,
            env=variables,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def waits_for(self, words: str) -> Conversation:
        end = time.monotonic() + 30
        while words not in self.seen:
            assert time.monotonic() < end, self.seen
            self.seen += os.read(self.hand, 65536).decode()
        return self

    def types(self, text: str) -> Conversation:
        os.write(self.hand, f"{text}\n".encode())
        return self

    def ends(self) -> tuple[int, str]:
        """The exit code and everything that stood on the screen."""
        while True:
            try:
                part = os.read(self.hand, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            self.seen += part.decode()
        assert self.process.stdout is not None
        self.process.stdout.close()
        code = self.process.wait(30)
        os.close(self.hand)
        return code, self.seen


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_it_asks_hides_the_token_and_lets_a_person_decide(tmp_path: Path, answer: str) -> None:
    with Gate() as gone:
        url = gone.url
    talk = Conversation(tmp_path, "init", "--theme", "plain")
    talk.waits_for("Where do the posts come from?").types("velocms")
    talk.waits_for("Address, such as").types(url)
    talk.waits_for("Token (not shown").types(KEY)
    talk.waits_for("Write the site all the same?").types(answer)
    code, screen = talk.ends()
    assert KEY not in screen
    assert "VB2101" in screen
    if answer == "y":
        assert code == 0
        assert KEY in (tmp_path / ".env").read_text()
    else:
        assert code == 130
        assert not (tmp_path / "velobuild.toml").exists()


# What doctor says of each contract's failure cases.


def doctor(folder: Path, kind: str, url: str, token: str) -> Ended:
    folder.mkdir(exist_ok=True)
    (folder / "velobuild.toml").write_text(f'[source]\ntype = "{kind}"\nurl = "{url}"\nrate_limit = "1000/s"\n')
    environment = {"VELOCMS_API_KEY": token, "HOME": str(folder)}
    return velobuild("doctor", directory=folder, environment=environment)


def revoke(cms: Running) -> str:
    key = cms.create_key("gone")
    cms.revoke_key("gone")
    return key


VELOCMS_CASES: dict[str, tuple[Callable[[Running], str], int, str, list[str]]] = {
    "revoked": (revoke, 3, "VB2001", ["API Keys"]),
    "a token of the other surface": (
        lambda cms: cms.create_reader_token(),
        3,
        "VB2001",
        ["Admin → Settings → API Keys", "pocketbase", "begins with velo_"],
    ),
    "plan too low": (
        lambda cms: (cms.set_switches(replace(GENEROUS, plan_too_low=True)), cms.create_key("k"))[1],
        3,
        "VB2003",
        ["plan"],
    ),
    "https only": (
        lambda cms: (cms.set_switches(replace(GENEROUS, https_required=True)), cms.create_key("k"))[1],
        2,
        "VB1301",
        ["https"],
    ),
    "no scope for posts": (lambda cms: cms.create_key("k", ("media:read",)), 3, "VB2002", ["posts:read"]),
}


@pytest.mark.parametrize("case", VELOCMS_CASES)
def test_doctor_explains_what_is_wrong_with_a_velocms(tmp_path: Path, devcms: Running, case: str) -> None:
    make, code, error, words = VELOCMS_CASES[case]
    ended = doctor(tmp_path / "site", "velocms", devcms.url, make(devcms))
    assert ended.code == code, ended.out
    assert f"[{error}]" in ended.out
    for word in words:
        assert word in ended.out, ended.out


def test_doctor_explains_that_another_surface_answers(tmp_path: Path, devcms: Running) -> None:
    with Gate() as stranger:
        stranger.answer(Shape(404, {"status": 404, "message": "File not found.", "data": {}}), "/api/v1/")
        stranger.answer(Shape(404, {"error": {"code": "NOT_FOUND", "message": "no"}}), "/api/collections/")
        ended = doctor(tmp_path / "site", "velocms", stranger.url, KEY)
        assert (ended.code, "VB1302" in ended.out) == (2, True), ended.out
        ended = doctor(tmp_path / "site", "pocketbase", stranger.url, "opaque")
        assert (ended.code, "VB1302" in ended.out) == (2, True), ended.out
    # A key of the REST API on PocketBase's: to PocketBase its owner is a guest.
    ended = doctor(tmp_path / "site", "pocketbase", devcms.url, devcms.create_key("k"))
    assert "the REST API" in ended.out, ended.out
    assert ended.code != 0 or "warning" in ended.out


def test_doctor_tells_of_a_token_that_is_about_to_expire(tmp_path: Path, devcms: Running) -> None:
    devcms.create_post(title="One", content_html="<p>x")
    ended = doctor(tmp_path / "site", "pocketbase", devcms.url, devcms.create_reader_token(valid_s=3 * 86400))
    assert "VB2004" in ended.out
    assert ended.code == 0
    ended = doctor(tmp_path / "site", "pocketbase", devcms.url, devcms.create_reader_token())
    assert "VB2004" not in ended.out, "control: a year is long enough"


def test_doctor_tells_that_drafts_can_be_seen(tmp_path: Path, devcms: Running) -> None:
    devcms.create_post(title="One", content_html="<p>x")
    rule = '@request.auth.id != ""'
    devcms.admin.call("PATCH", "/api/collections/posts", json={"listRule": rule, "viewRule": rule})
    token = devcms.create_reader_token()
    assert "it can read drafts" not in doctor(tmp_path / "site", "pocketbase", devcms.url, token).out, "control"
    devcms.create_post(title="Two", content_html="<p>x", status="draft")
    for kind, key in (("pocketbase", token), ("velocms", devcms.create_key("k"))):
        ended = doctor(tmp_path / "site", kind, devcms.url, key)
        assert "it can read drafts" in ended.out, ended.out
        assert ended.code == 0
