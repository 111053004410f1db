"""The Nu HTML checker (npm vnu-jar), run once over a whole folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.judges import installed

MINUTE_S = 60


def nu_html(folder: Path, *, warnings: bool = False) -> list[str]:
    """`path:line:column: message` for every error in every .html file below `folder`, sorted; with warnings on request.

    Raises AssertionError if there is no HTML to judge: an empty folder is no pass.
    """
    assert any(folder.rglob("*.html")), f"no HTML below {folder}"
    command = [installed.java(), "-Xss4m", "-jar", str(installed.VNU_JAR)]
    options = ["--format", "json", "--exit-zero-always", "--stdout", "--skip-non-html"]
    if not warnings:
        options.append("--errors-only")
    run = subprocess.run([*command, *options, str(folder)], capture_output=True, timeout=10 * MINUTE_S)
    assert run.returncode == 0, run.stderr.decode(errors="replace")
    messages = json.loads(run.stdout)["messages"]
    return sorted(_line(message, folder) for message in messages)


def _line(message: dict[str, object], folder: Path) -> str:
    path = Path(unquote(urlsplit(str(message.get("url", ""))).path))
    place = path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path
    return f"{place}:{message.get('lastLine', 0)}:{message.get('firstColumn', 0)}: {message['message']}"
