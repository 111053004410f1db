"""The kept configuration: the same as a validated one, missed at every change, and never trusted when damaged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from velobuild.config.cache import FILE, ConfigCache
from velobuild.config.load import load
from velobuild.config.schema import Config, Loaded
from velobuild.errors import ConfigError

TOML = """
[site]
title = "Tea"
[source]
url = "https://cms.example"
[[menu]]
title = "About"
url = "/about/"
[theme.options]
colours = ["green", "white"]
deep = { one = 1, more = [[1.5, true]] }
[env.production.site]
base_url = "https://tea.example"
"""
TOKEN = "velo_0123456789abcdefghijABCDEFGHIJ"


@dataclass
class Rig:
    """A site's folder and one way of asking for its configuration."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    env_name: str | None = None
    code: str | None = None
    needs_cms: bool = True

    @property
    def kept(self) -> Path:
        return self.root / ".velobuild" / FILE

    def load(self, cache: ConfigCache | None = None) -> Loaded:
        return load(
            None,
            directory=self.root,
            environment=self.environment,
            overrides=self.overrides,
            labels=self.labels,
            env_name=self.env_name,
            needs_cms=self.needs_cms,
            cache=cache,
        )

    def run(self) -> Loaded:
        """One command: read, and keep at its end."""
        cache = ConfigCache(self.code)
        loaded = self.load(cache)
        cache.keep(loaded.tokens)
        return loaded

    def is_hit(self) -> bool:
        """Whether the configuration comes from what was kept: then what is kept shows in it."""
        marked = self.kept.read_bytes()
        assert b'"Tea"' in marked
        key, _, values = marked.split(b"\n", 2)
        values = values.replace(b'"Tea"', b'"Kept"')
        self.kept.write_bytes(b"\n".join([key, digest(key, values), values]))
        try:
            return self.load(ConfigCache(self.code)).config.site.title == "Kept"
        finally:
            self.kept.write_bytes(marked)


def digest(key: bytes, values: bytes) -> bytes:
    return blake2b(values, key=key, digest_size=32).hexdigest().encode()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    (tmp_path / "velobuild.toml").write_text(TOML, "utf-8")
    (tmp_path / ".velobuild").mkdir()
    return Rig(tmp_path, {"VELOCMS_API_KEY": TOKEN})


def told(loaded: Loaded) -> tuple[Any, ...]:
    return (
        loaded.config,
        loaded.file,
        loaded.origins,
        loaded.warnings,
        [(token.reveal(), token.origin) for token in loaded.tokens],
    )


def test_what_was_kept_is_what_was_validated(rig: Rig) -> None:
    rig.environment["VELOBUILD_JOBS"] = "3"
    rig.overrides["build.out"] = "dist"
    rig.labels["build.out"] = "--out"
    rig.env_name = "production"
    first = rig.run()
    assert rig.is_hit()
    again = rig.run()
    assert told(again) == told(first) == told(rig.load())
    assert repr(again.config) == repr(first.config)
    assert again.origins["build.out"] == "--out"
    assert again.origins["build.jobs"] == "environment variable VELOBUILD_JOBS"
    assert again.config.theme.options == {"colours": ["green", "white"], "deep": {"one": 1, "more": [[1.5, True]]}}
    assert type(again.config.menu) is tuple


CHANGES: dict[str, Callable[[Rig], object]] = {
    "a byte of the file": lambda rig: (rig.root / "velobuild.toml").write_text(TOML + "\n", "utf-8"),
    "a variable that sets a key": lambda rig: rig.environment.update(VELOBUILD_OUT="dist"),
    "a variable in .env": lambda rig: (rig.root / ".env").write_text("VELOBUILD_BASE_URL=https://b.example\n"),
    "the vendor's variable": lambda rig: rig.environment.update(VELOCMS_SITE_URL="https://c.example"),
    "a flag": lambda rig: rig.overrides.update({"build.out": "dist"}),
    "the name of the flag": lambda rig: rig.labels.update({"build.keep_releases": "--keep"}),
    "the chosen environment": lambda rig: setattr(rig, "env_name", "production"),
    "velobuild, or Python": lambda rig: setattr(rig, "code", "another"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_misses_what_was_kept(rig: Rig, change: Callable[[Rig], object]) -> None:
    rig.overrides["build.keep_releases"] = "7"
    rig.run()
    assert rig.is_hit()
    change(rig)
    assert not rig.is_hit()
    assert told(rig.run()) == told(rig.load())
    assert rig.is_hit()


def test_what_sets_no_key_does_not_matter(rig: Rig) -> None:
    rig.run()
    rig.environment["EDITOR"] = "vi"
    assert rig.is_hit()


def test_tokens_and_warnings_are_never_kept(rig: Rig) -> None:
    rig.run()
    assert TOKEN.encode() not in rig.kept.read_bytes()
    assert rig.kept.stat().st_mode & 0o077 == 0
    (rig.root / ".env").write_text("VELOCMS_API_KEY_2=velo_second0123456789abcdefghij\n")
    (rig.root / ".env").chmod(0o644)
    assert rig.is_hit()
    found = rig.run()
    assert [token.origin for token in found.tokens] == [
        "environment variable VELOCMS_API_KEY",
        "VELOCMS_API_KEY_2 in .env",
    ]
    assert [warning.code for warning in found.warnings] == ["VB1204"]


@pytest.mark.parametrize(
    "overrides", [{"site.title": "0123 a token of no known form 4567"}, {"site.base_url": "https://me:word@a.example"}]
)
def test_a_configuration_that_holds_a_secret_is_not_kept(rig: Rig, overrides: dict[str, str]) -> None:
    rig.environment["VELOCMS_API_KEY"] = "0123-a-token-of-no-known-form-4567"
    # Through variables, for the flags and the file are refused with a secret in them.
    rig.environment["VELOBUILD_BASE_URL"] = overrides.get("site.base_url", "https://a.example/" + TOKEN[5:9])
    if "site.title" in overrides:
        rig.environment["VELOBUILD_OUT"] = rig.environment["VELOCMS_API_KEY"]
    rig.run()
    assert not rig.kept.exists()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing in it": lambda kept: b"",
    "cut short": lambda kept: kept[: len(kept) // 2],
    "its last byte gone": lambda kept: kept[:-1],
    "another title": lambda kept: kept.replace(b'"Tea"', b'"Bad"'),
    "no text": lambda kept: bytes(255 - byte for byte in kept),
    "no JSON, well signed": lambda kept: signed(kept, lambda values: b"{"),
    "another shape, well signed": lambda kept: signed(kept, lambda values: b'[1, {"a": []}]'),
    "an unknown class, well signed": lambda kept: signed(kept, lambda v: v.replace(b'"SiteConfig"', b'"Path"')),
    "a field less, well signed": lambda kept: signed(kept, lambda v: v.replace(b'"Tea", ', b"")),
    "nested without end, well signed": lambda kept: signed(kept, lambda v: b"[" * 100_000 + b"]" * 100_000),
}


def signed(kept: bytes, change: Callable[[bytes], bytes]) -> bytes:
    key, _, values = kept.split(b"\n", 2)
    changed = change(values)
    assert changed != values
    return b"\n".join([key, digest(key, changed), changed])


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_validated_anew_and_written_again(rig: Rig, damage: Callable[[bytes], bytes]) -> None:
    first = rig.run()
    good = rig.kept.read_bytes()
    rig.kept.write_bytes(damage(good))
    assert told(rig.run()) == told(first)
    assert rig.kept.read_bytes() == good


def test_a_wrong_configuration_is_wrong_every_time(rig: Rig) -> None:
    rig.run()
    (rig.root / "velobuild.toml").write_text(TOML.replace("Tea", "Tea\\u00e9").replace("[source]", "[sourc]"))
    for _ in range(2):
        with pytest.raises(ConfigError, match="sourc"):
            rig.run()


def test_what_overlooks_a_missing_address_is_not_kept(rig: Rig) -> None:
    (rig.root / "velobuild.toml").write_text('[site]\ntitle = "Tea"\n')
    careless = replace(rig, needs_cms=False)
    careless.run()
    assert not rig.kept.exists()
    with pytest.raises(ConfigError, match="address is missing"):
        rig.run()


def test_what_cannot_be_told_in_json_is_not_kept(rig: Rig) -> None:
    (rig.root / "velobuild.toml").write_text(TOML.replace("colours =", "day = 2026-01-02\ncolours ="))
    assert told(rig.run()) == told(rig.run())
    assert not rig.kept.exists()


def test_without_a_state_folder_nothing_is_kept_and_nothing_is_made(rig: Rig) -> None:
    (rig.root / ".velobuild").rmdir()
    rig.run()
    assert not (rig.root / ".velobuild").exists()


def test_a_folder_in_the_place_of_the_file_is_no_error(rig: Rig) -> None:
    rig.kept.mkdir()
    assert rig.run().config.site.title == "Tea"


IMPORTED = """
import json, sys
from pathlib import Path
from velobuild.config.cache import ConfigCache
from velobuild.config.load import load
cache = ConfigCache()
loaded = load(None, directory=Path(sys.argv[1]), environment={}, cache=cache)
cache.keep(loaded.tokens)
print(json.dumps(sorted(name for name in sys.modules if name in ("pydantic", "tomllib", "velobuild.config.settle"))))
"""


def test_only_the_first_of_two_processes_loads_what_validates(rig: Rig) -> None:
    def imported() -> list[str]:
        run = [sys.executable, "-c", IMPORTED, str(rig.root)]
        found: list[str] = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
        return found

    assert imported() == ["pydantic", "tomllib", "velobuild.config.settle"]
    assert imported() == []


def test_every_default_survives(tmp_path: Path) -> None:
    (tmp_path / "velobuild.toml").write_text('[source]\nurl = "https://cms.example"\n')
    (tmp_path / ".velobuild").mkdir()
    rig = Rig(tmp_path)
    first, again = rig.run(), rig.run()
    assert rig.kept.exists()
    assert again.config == first.config == Config(source=first.config.source)
