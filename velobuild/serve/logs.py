"""The service's log: a line for a person or a JSON document for a machine, and never a secret in either."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from velobuild.config.schema import Secret
from velobuild.config.secrets import redact

NAME = "velobuild.listen"
Format = Literal["text", "json"]


class Redacting(logging.Formatter):
    """One line a record. `known` gives the secrets as they are now: they may be changed while the service runs."""

    def __init__(self, form: Format, known: Callable[[], Iterable[Secret]]) -> None:
        super().__init__()
        self._form = form
        self._known = known

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = getattr(record, "fields", {})
        message = self._clean(record.getMessage())
        if record.exc_info and record.exc_info[0] is not None:
            # Its type alone: an exception's text may quote anything.
            fields = {**fields, "exception": record.exc_info[0].__name__}
        cleaned = {name: self._clean(value) if isinstance(value, str) else value for name, value in fields.items()}
        if self._form == "json":
            document = {"at": at, "level": record.levelname.lower(), "event": message, **cleaned}
            return self._clean(json.dumps(document, ensure_ascii=True, default=str))
        tail = "".join(f" {name}={value}" for name, value in cleaned.items() if value not in (None, ""))
        return self._clean(f"{at} {record.levelname.lower()} {message}{tail}")

    def _clean(self, text: str) -> str:
        """Without secrets, and without what could end the line or steer a terminal."""
        redacted = redact(text, self._known())
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in redacted)


class Quiet(logging.StreamHandler[TextIO]):
    """A log whose disk is full or whose reader is gone drops lines; the service goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        return


def log_to(stream: TextIO, form: Format, known: Callable[[], Iterable[Secret]], *, level: int = logging.INFO) -> None:
    """Send the service's log, and what the server beneath it has to say, to `stream` alone."""
    handler = Quiet(stream)
    handler.setFormatter(Redacting(form, known))
    for name, least in ((NAME, level), ("velobuild.serve", level), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(least)
        logger.propagate = False


def say(level: int, event: str, **fields: Any) -> None:
    """Log what happened, with its facts beside it."""
    logging.getLogger(NAME).log(level, event, extra={"fields": fields})
