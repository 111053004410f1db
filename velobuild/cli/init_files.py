"""The first files of a site as `velobuild init` writes them. Nothing that exists is overwritten."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from velobuild.cli.init_kinds import KINDS, Answers, assignment, dotenv, dotenv_example
from velobuild.errors import ConfigError, OutputError

IGNORED = (".env", ".velobuild/", "public")
ABOUT = """\
---
title: About
---

This page is yours: edit `pages/about.md`. Every Markdown file in `pages/` becomes a page of the site.
"""
HELLO = """\
---
title: Hello
date: {today}
tags: [First]
---

This post is yours: edit it, or write another file beside it. docs/folder.md lists what its head may say.
"""


def refuse_existing(target: Path) -> None:
    """Raises ConfigError VB1106 where a site has begun already."""
    taken = [name for name in ("velobuild.toml", ".env.example", "pages/about.md") if os.path.lexists(target / name)]
    if taken:
        raise ConfigError(
            f"there is a {taken[0]} already, and init overwrites nothing",
            code="VB1106",
            where=str(target),
            hint=f"name another folder, or move away: {', '.join(taken)}",
        )


def write_site(target: Path, answers: Answers, text: str, token: str) -> list[str]:
    """Write what is not there yet; `text` is that of velobuild.toml. The names of what was written, sorted.

    Raises OutputError VB6002.
    """
    files = {"velobuild.toml": text, ".env.example": dotenv_example(answers), "pages/about.md": ABOUT}
    if answers.kind == "folder" and not (target / answers.path).exists():
        from velobuild.model.ports import utc_now

        files[f"{answers.path}/posts/hello.md"] = HELLO.format(today=f"{utc_now():%Y-%m-%d}")
    try:
        (target / "pages").mkdir(parents=True, exist_ok=True)
        written = []
        for name, content in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with (target / name).open("x", encoding="utf-8") as file:
                file.write(content)
            written.append(name)
        if _keep_secret(target / ".env", answers, token):
            written.append(".env")
        if _ignore(target / ".gitignore"):
            written.append(".gitignore")
    except OSError as error:
        raise OutputError(
            f"the new site cannot be written: {error.strerror}",
            code="VB6002",
            where=str(error.filename or target),
            hint="check the folder's permissions and the free space",
        ) from error
    return sorted(written)


def _keep_secret(file: Path, answers: Answers, token: str) -> bool:
    """Write .env, or add the token to one that lacks it. Whether anything was written."""
    if not os.path.lexists(file):
        # Created with its final mode: there is no moment at which others could open it.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(dotenv(answers, token))
        return True
    if not token:
        return False
    from velobuild.config.secrets import read_dotenv

    variable = KINDS[answers.kind].variable
    if read_dotenv(file, warn=[]).get(variable) == token:
        return False
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        # It is about to hold a secret.
        file.chmod(0o600)
    text = file.read_text("utf-8")
    gap = "" if not text or text.endswith("\n") else "\n"
    with file.open("a", encoding="utf-8") as out:
        # The last line of a name counts, so that what stood there before stays readable.
        out.write(f"{gap}{assignment(variable, token)}")
    return True


def _ignore(file: Path) -> bool:
    """Add what git must not see to a .gitignore that may exist. Whether anything was missing."""
    text = file.read_text("utf-8") if file.exists() else ""
    missing = [line for line in IGNORED if line not in text.splitlines()]
    if missing:
        gap = "" if not text or text.endswith("\n") else "\n"
        with file.open("a", encoding="utf-8") as out:
            out.write(gap + "".join(f"{line}\n" for line in missing))
    return bool(missing)
