"""What the documents about VeloCMS's API leave open or tell differently, as switches of the running server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from velobuild.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How the server behaves from its next answer on. The defaults are what the newest document says."""

    rate_limit: int = 30
    """Calls that a key may make within one window; 0 = any number."""
    rate_window_ms: int = 60_000
    """The sliding window's length in milliseconds; may be shorter than a second."""
    hourly_limit: int = 1_000
    """Calls that a key may make within a sliding hour, on top of `rate_limit`; 0 = any number."""
    daily_quota: int = 0
    """Calls that a key may make in one UTC day before it gets QUOTA_EXCEEDED; 0 = any number."""
    rate_headers: bool = True
    """Whether answers carry X-RateLimit-Limit, -Remaining and -Reset (none where `rate_limit` is 0)."""
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    """How a 429 says when to come back."""
    single_posts: Literal["bare", "wrapped"] = "bare"
    """Whether GET /posts/{id} answers the post itself or {"data": post}."""
    dates: Literal["iso", "space", "mixed"] = "iso"
    """`2026-05-03T10:00:00.000Z`, the same with a space, or published_at the one way and created, updated the other."""
    list_bodies: bool = False
    """Whether list items carry what single posts carry."""
    plan_too_low: bool = False
    """Every call with a valid key answers 403 PLAN_UPGRADE_REQUIRED."""
    https_required: bool = False
    """Every call over plain http answers 403 HTTPS_REQUIRED."""
    ignore_status_filter: bool = False
    """GET /posts lists drafts whatever `status` asks for."""
    per_page_max: int = 100
    over_per_page_max: Literal["clamp", "refuse"] = "clamp"
    """What happens to a larger `per_page`: the most that is allowed, or 422 VALIDATION_ERROR."""
    media_urls: Literal["absolute", "relative"] = "absolute"
    empty_fields: Literal["null", "missing", "empty"] = "null"
    """How a field without a value looks: null, no such key, or "" and []."""
    error_details: bool = True
    """Whether an error carries `details`."""
    missing_scope_code: Literal["INVALID_SCOPE", "FORBIDDEN"] = "INVALID_SCOPE"
    failing: Literal[0, 500, 503] = 0
    """Every call answers INTERNAL_ERROR with this status; 0 = none."""

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the switch, for a value that it cannot take."""
        hints = get_type_hints(type(self))
        for name, hint in hints.items():
            value = getattr(self, name)
            allowed = get_args(hint)
            if allowed and (value not in allowed or isinstance(value, bool)):
                raise _refused(name, value, " or ".join(str(choice) for choice in allowed))
            if hint is bool and not isinstance(value, bool):
                raise _refused(name, value, "true or false")
            if hint is int and (not isinstance(value, int) or isinstance(value, bool) or value < _LEAST.get(name, 0)):
                raise _refused(name, value, f"a whole number from {_LEAST.get(name, 0)} on")

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Switches:
        """From what the server keeps. A switch that it does not name has its default; an unknown one is ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def stored(self) -> dict[str, Any]:
        return asdict(self)

    def with_text(self, name: str, text: str) -> Switches:
        """These switches with one changed, its value given as on the command line (`on`, `off`, a number or a word).

        Raises: ConfigError, for an unknown name or a value that the switch cannot take.
        """
        hints = get_type_hints(type(self))
        if name not in hints:
            raise ConfigError(
                f"there is no switch named {name!r}",
                code="VB1107",
                hint="the switches are: " + ", ".join(sorted(hints)),
            )
        words = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
        value: Any = text
        if hints[name] is bool:
            value = words.get(text.lower(), text)
        elif text.isdecimal():
            value = int(text)
        return type(self)(**{**self.stored(), name: value})


_LEAST: Mapping[str, int] = {"rate_window_ms": 1, "per_page_max": 1}
GENEROUS = Switches(rate_limit=0, hourly_limit=0)
"""No limits at all: for work that is not about limits."""


def _refused(name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"the switch {name} cannot be {value!r}", code="VB1107", hint=f"it takes {allowed}")
