"""init, config, doctor, help and completion as people use them."""

from __future__ import annotations

import json
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.cli.command_line import velobuild
from velobuild.cli.doctor import Finding, rendered
from velobuild.errors import CODES

TOKEN = "velo_" + "0" * 64


@pytest.fixture
def site(tmp_path: Path) -> Path:
    assert velobuild("init", "--url", "https://blog.example.org/", directory=tmp_path).code == 0
    return tmp_path


# --- init


def test_init_writes_a_site_that_is_valid_at_once(tmp_path: Path) -> None:
    ended = velobuild("init", "blog", "--url", "https://x.velocms.org/api/v1/", directory=tmp_path)
    assert ended.code == 0
    assert ended.out.split() == [".env", ".env.example", ".gitignore", "pages/about.md", "velobuild.toml"]
    assert ended.err == (
        "A new site in blog. Next:\n"
        "  1. put a read-only key into .env: VELOCMS_API_KEY=velo_…\n"
        "  2. velobuild -C blog doctor, then build, then serve\n"
    )
    folder = tmp_path / "blog"
    assert tomllib.loads((folder / "velobuild.toml").read_text())["source"]["url"] == "https://x.velocms.org"
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == ".env\n.velobuild/\npublic\n"
    assert velobuild("-C", "blog", "config", "validate", directory=tmp_path).code == 0


def test_git_ignores_what_init_says_must_not_be_committed(site: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=site, check=True)
    (site / ".velobuild").mkdir()
    (site / ".velobuild" / "x").touch()
    (site / "public").symlink_to(".velobuild")
    shown = subprocess.run(["git", "status", "--short", "-uall"], cwd=site, check=True, capture_output=True, text=True)
    assert sorted(line[3:] for line in shown.stdout.splitlines()) == [
        ".env.example",
        ".gitignore",
        "pages/about.md",
        "velobuild.toml",
    ]


def test_without_an_address_init_says_where_it_belongs_and_the_build_does_too(tmp_path: Path) -> None:
    assert "1. write your site's address into velobuild.toml" in velobuild("init", directory=tmp_path).err
    ended = velobuild("config", "validate", directory=tmp_path)
    assert ended.code == 2
    assert ended.err == (
        "error[VB1105]: the CMS's address is missing: `url` in [source]\n"
        "  --> velobuild.toml:11:1\n"
        "  11 | [source]\n"
        "     | ^^^^^^^^\n"
        'help: set `url = "https://NAME.velocms.org"`, or the environment variable VELOCMS_SITE_URL\n'
    )


def test_init_overwrites_nothing(site: Path) -> None:
    before = {file: file.read_bytes() for file in site.rglob("*") if file.is_file()}
    ended = velobuild("init", directory=site)
    assert ended.code == 2
    assert ended.err.startswith("error[VB1106]: there is a velobuild.toml already")
    assert {file: file.read_bytes() for file in site.rglob("*") if file.is_file()} == before


def test_init_keeps_an_existing_secrets_file_and_adds_to_an_existing_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"VELOCMS_API_KEY={TOKEN}\n")
    (tmp_path / ".gitignore").write_text("node_modules\n.env")
    assert velobuild("init", directory=tmp_path).code == 0
    assert TOKEN in (tmp_path / ".env").read_text()
    assert (tmp_path / ".gitignore").read_text() == "node_modules\n.env\n.velobuild/\npublic\n"


def test_init_asks_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("velocms\nhttps://asked.example.org\nplain\n"))
    known = {"VELOCMS_API_KEY": TOKEN}
    assert velobuild("init", "--offline", directory=tmp_path, terminal=True, environment=known).code == 0
    assert 'url = "https://asked.example.org"' in (tmp_path / "velobuild.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--url", "http://blog.example.org"], "VB1301"), (["--url", "blog"], "VB1101"), (["--theme", "nope"], "VB1401")],
)
def test_init_refuses_what_a_build_would_refuse_and_writes_nothing(
    tmp_path: Path, arguments: list[str], code: str
) -> None:
    ended = velobuild("init", *arguments, directory=tmp_path)
    assert ended.code == 2
    assert ended.err.startswith(f"error[{code}]: ")
    assert list(tmp_path.iterdir()) == []


def test_init_says_why_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("a file where a folder is needed")
    ended = velobuild("init", directory=tmp_path)
    assert ended.code == 6
    assert ended.err.startswith("error[VB6002]: the new site cannot be written")


# --- config


def test_config_show_prints_every_key_and_where_it_comes_from(site: Path) -> None:
    variables = {"VELOBUILD_JOBS": "2", "VELOCMS_API_KEY": TOKEN}
    ended = velobuild("config", "show", "--origin", "--set", "site.title=T", directory=site, environment=variables)
    lines = {line.partition(" = ")[0]: line.partition(" = ")[2].split("  # ") for line in ended.out.splitlines()}
    shown = {key: (parts[0].strip(), parts[-1]) for key, parts in lines.items()}
    assert shown["site.title"] == ('"T"', "--set site.title")
    assert shown["build.jobs"] == ("2", "environment variable VELOBUILD_JOBS")
    assert shown["source.url"] == ('"https://blog.example.org"', "velobuild.toml")
    assert shown["limits.tags"] == ("50", "default")
    assert shown["site.author"] == ("(unset)", "default")
    assert "# token 1: environment variable VELOCMS_API_KEY" in ended.out
    assert TOKEN not in ended.out + ended.err


def test_config_show_is_one_json_document(site: Path) -> None:
    (site / "velobuild.toml").write_text(
        '[source]\nurl = "https://e.org"\n[[redirects]]\nfrom = "/a/"\nto = "/b/"\n[theme.options]\na = 1\n'
    )
    document = json.loads(velobuild("--json", "config", "show", "--origin", directory=site).out)
    assert document["config"]["redirects"] == [{"from": "/a/", "to": "/b/"}]
    assert document["config"]["theme"]["options"] == {"a": 1}
    assert document["origins"]["redirects"] == "velobuild.toml"
    assert document["tokens"] == []


def test_what_config_schema_prints_accepts_what_init_writes(site: Path) -> None:
    schema = json.loads(velobuild("config", "schema", directory=site).out)
    written = tomllib.loads((site / "velobuild.toml").read_text())
    assert set(written) <= set(schema["properties"])
    assert schema["$defs"]["RedirectConfig"]["required"] == ["from", "to"]


def test_a_readable_secrets_file_is_shown_after_validation(site: Path) -> None:
    (site / ".env").chmod(0o644)
    ended = velobuild("config", "validate", directory=site)
    assert ended.code == 0
    assert ended.err == (
        "warning[VB1204]: this secrets file can be read by others (mode 0644)\n"
        f"  --> {site / '.env'}\nhelp: chmod 600 {site / '.env'}\n"
    )


# --- help and completion


@pytest.mark.parametrize("code", CODES)
def test_help_explains_every_code(tmp_path: Path, code: str) -> None:
    ended = velobuild("help", code.lower(), directory=tmp_path)
    assert ended.code == 0
    assert ended.out.startswith(f"{code}: {CODES[code]}\n")
    assert ended.out.count("**What happened.**") == 1


def test_help_lists_the_codes_and_explains_commands(tmp_path: Path) -> None:
    listed = velobuild("help", directory=tmp_path).out
    assert all(code in listed for code in CODES)
    assert "--origin" in velobuild("help", "config", "show", directory=tmp_path).out
    assert velobuild("help", "config", "nope", directory=tmp_path).code == 2
    assert velobuild("help", "cnofig", directory=tmp_path).err.endswith("did you mean `velobuild config`?\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    ended = velobuild("completion", shell, directory=tmp_path)
    assert ended.code == 0
    assert "_VELOBUILD_COMPLETE" in ended.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=ended.out, text=True, check=True)


# --- doctor


def doctor(site: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, object]]]:
    ended = velobuild("doctor", "--json", *arguments, directory=site, environment=environment)
    document = json.loads(ended.out)
    assert document["exit_code"] == ended.code
    return ended.code, {finding["check"]: finding for finding in document["findings"]}


def test_doctor_finds_a_healthy_site_healthy(site: Path) -> None:
    code, findings = doctor(site, "--offline", VELOCMS_API_KEY=TOKEN)
    assert code == 0
    assert {finding["verdict"] for finding in findings.values()} == {"ok"}
    assert set(findings) == {"configuration", "secrets", "theme", "output", "disk", "CMS"}
    ended = velobuild("doctor", "--offline", directory=site)
    assert ended.out.endswith("\nAll is well.\n")
    assert not (site / ".velobuild").exists(), "looking changes nothing"


def test_doctor_names_a_missing_token_with_the_code_of_a_build(site: Path) -> None:
    code, findings = doctor(site)
    assert code == 2
    assert findings["secrets"]["code"] == "VB1201"


def test_doctor_warns_of_a_readable_secrets_file_once(site: Path) -> None:
    (site / ".env").chmod(0o644)
    ended = velobuild("doctor", "--offline", directory=site)
    assert ended.code == 0
    assert ended.out.count("VB1204") == 1
    assert ended.err == ""


def test_doctor_finds_a_theme_that_is_not_there_and_the_nearest_one(site: Path) -> None:
    code, findings = doctor(site, "--offline", "--set", "theme.name=plian")
    assert (code, findings["theme"]["code"], findings["theme"]["hint"]) == (2, "VB1401", "did you mean `plain`?")
    assert doctor(site, "--offline", "--set", "theme.path=nowhere")[1]["theme"]["code"] == "VB1401"


THEME = 'name = "mine"\nversion = "1"\ndescription = "Mine."\nlicence = "MIT"\n'


@pytest.mark.parametrize(
    ("manifest", "code", "what"),
    [
        ("name = ", "VB1402", "theme.toml cannot be read"),
        ('name = "mine"\n', "VB1402", "does not say its version"),
        (THEME + 'extends = "plian"\n', "VB1401", "there is no theme `plian`"),
        (THEME + '[options.wide]\ntype = "boolean"\ndefault = 1\n', "VB1402", "the option `wide`"),
        (THEME + '[options.wide]\ntype = "boolean"\ndefault = true\n', "VB1101", "wants boolean, not 'yes'"),
    ],
)
def test_doctor_finds_in_a_damaged_theme_what_a_build_would(site: Path, manifest: str, code: str, what: str) -> None:
    (site / "mine").mkdir()
    (site / "mine" / "theme.toml").write_text(manifest)
    config = site / "velobuild.toml"
    config.write_text(
        config.read_text().replace('name = "plain"', 'path = "mine"\n[theme.options]\nwide = "yes"')
        if code == "VB1101"
        else config.read_text().replace('name = "plain"', 'path = "mine"')
    )
    ended, findings = doctor(site, "--offline")
    assert (ended, findings["theme"]["verdict"], findings["theme"]["code"]) == (2, "error", code)
    assert what in str(findings["theme"]["what"])
    (site / "mine" / "theme.toml").write_text(THEME + '[options.wide]\ntype = "string"\ndefault = ""\n')
    assert doctor(site, "--offline")[0] == 0, "the control: mended, it is well"


@pytest.mark.parametrize("mode", ["release", "in-place"])
def test_doctor_finds_an_output_folder_that_must_not_be_used(site: Path, mode: str) -> None:
    code, findings = doctor(site, "--offline", "--set", "build.out=.", "--set", f"build.publish={mode}")
    assert (code, findings["output"]["code"]) == (6, "VB6003")


def test_doctor_ends_with_the_gravest_code_and_counts(site: Path) -> None:
    code, findings = doctor(site, "--set", "build.out=.", "--set", "theme.name=x")
    assert code == 6
    assert {check for check, finding in findings.items() if finding["verdict"] == "error"} == {
        "secrets",
        "theme",
        "output",
    }


def test_doctor_says_that_nobody_answers(site: Path, tmp_path: Path) -> None:
    variables = {"VELOCMS_API_KEY": TOKEN, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ended = velobuild("doctor", "--set", "source.url=http://127.0.0.1:9", directory=site, environment=variables)
    assert ended.code == 4
    assert "VB2101" in ended.out
    assert TOKEN not in ended.out + ended.err


def test_findings_are_rendered_with_their_remedy_and_a_sum() -> None:
    findings = [
        Finding("theme", "ok", "plain"),
        Finding("secrets", "error", "no token was found", "make one", "VB1201", 2),
        Finding("disk", "warning", "0.1 GB free at /"),
    ]
    assert rendered(findings) == (
        "ok       theme: plain\n"
        "error    secrets: no token was found [VB1201]\n"
        "         help: make one\n"
        "warning  disk: 0.1 GB free at /\n"
        "\n"
        "1 error, 1 warning"
    )
