"""The secrets by which webhooks are verified: looked for where tokens are, and never in velobuild.toml.

Several count at once, so that one is replaced without a gap: the new one is added, the CMS switched, and the old one
removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from velobuild.config.schema import Loaded, Secret
from velobuild.config.secrets import read_dotenv, read_private
from velobuild.errors import Diagnostic

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable by which systemd tells a service where its credentials are, as files."""


def read_webhook_secrets(
    loaded: Loaded, *, environment: Mapping[str, str], warn: list[Diagnostic]
) -> tuple[Secret, ...]:
    """All secrets of the site's webhooks, in the order of docs/webhooks.md, each once; () if there is none.

    Whether they can be used is the dialects' business. Raises ConfigError VB1201 for a file that cannot be read.
    """
    listen = loaded.config.listen
    dotenv = read_dotenv(loaded.root / ".env", warn=warn)
    found: list[Secret] = []
    for name in (listen.secret_env, f"{listen.secret_env}_2"):
        if environment.get(name):
            found.append(Secret(environment[name], f"environment variable {name}"))
        elif dotenv.get(name):
            found.append(Secret(dotenv[name], f"{name} in .env"))
    if environment.get(CREDENTIALS):
        credential = Path(environment[CREDENTIALS]) / listen.secret_env
        # The service manager sees to who may read it.
        found += _lines(credential, f"credential {listen.secret_env}", warn=[], missing_ok=True)
    if listen.secret_file:
        file = loaded.root / Path(listen.secret_file).expanduser()
        found += _lines(file, f"file {listen.secret_file}", warn=warn, missing_ok=False)
    unique: dict[str, Secret] = {}
    for secret in found:
        unique.setdefault(secret.reveal(), secret)
    return tuple(unique.values())


def read_status_token(loaded: Loaded, *, environment: Mapping[str, str], warn: list[Diagnostic]) -> Secret | None:
    """The token of the service's status page, from the environment, `.env` or a systemd credential; None for none."""
    name = loaded.config.listen.status_token_env
    value = environment.get(name) or read_dotenv(loaded.root / ".env", warn=warn).get(name)
    if value:
        return Secret(value, f"environment variable {name}")
    if environment.get(CREDENTIALS):
        credential = Path(environment[CREDENTIALS]) / name
        return next(iter(_lines(credential, f"credential {name}", warn=[], missing_ok=True)), None)
    return None


def _lines(file: Path, origin: str, *, warn: list[Diagnostic], missing_ok: bool) -> list[Secret]:
    text = read_private(file, warn=warn, missing_ok=missing_ok) or ""
    return [Secret(line.strip(), origin) for line in text.splitlines() if line.strip()]
