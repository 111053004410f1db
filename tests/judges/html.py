"""The Nu HTML checker (npm vnu-jar), run once over a whole folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.judges import installed

MINUTE_S = 60
UTF8_LOCALE = "C.UTF-8"


def nu_html(folder: Path, *, warnings: bool = False, locale: str = UTF8_LOCALE) -> list[str]:
    """`path:line:column: message` for every error in every .html file below `folder`, sorted; with warnings on request.

    Raises AssertionError if there is no HTML to judge, or the checker left a page unread: silence is no pass.
    """
    root = folder.resolve()
    pages = {str(page) for page in root.rglob("*.html")}
    assert pages, f"no HTML below {folder}"
    command = [installed.java(), "-Xss4m", "-jar", str(installed.VNU_JAR)]
    options = ["--format", "json", "--exit-zero-always", "--stdout", "--skip-non-html", "--verbose"]
    if not warnings:
        options.append("--errors-only")
    # In a locale without UTF-8 Java cannot open a path in Japanese, and the checker passes over it without a word.
    environment = {**os.environ, "LC_ALL": locale}
    run = subprocess.run(
        [*command, *options, str(root)], capture_output=True, encoding="utf-8", timeout=10 * MINUTE_S, env=environment
    )
    assert run.returncode == 0, run.stderr
    # `--verbose` names each page on stderr as it is read.
    unread = pages - set(run.stderr.splitlines())
    assert not unread, f"the checker did not read {sorted(unread)}"
    return sorted(_line(message, root) for message in json.loads(run.stdout)["messages"])


def _line(message: dict[str, object], root: Path) -> str:
    path = Path(unquote(urlsplit(str(message.get("url", ""))).path))
    place = path.relative_to(root) if path.is_relative_to(root) else path
    return f"{place}:{message.get('lastLine', 0)}:{message.get('firstColumn', 0)}: {message['message']}"
