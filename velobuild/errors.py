"""Everything that velobuild raises on purpose.

    VelobuildError                exit   what happened
    ├── ConfigError                 2    usage or configuration
    ├── TokenError                  3    token, scope or plan
    ├── SourceUnavailable           4    CMS unreachable, limited or out of quota: the live site is kept
    ├── ProtocolError               5    the CMS's answer breaks its own protocol
    ├── GuardRefused                5    an answer or output that would harm the live site
    ├── ContentProblem              1    strict mode, or a render that failed
    ├── OutputError                 6    output, disk or deployment failed
    └── SiteLocked                  7    another build holds the site

Every error carries a stable code (`VB1104`), *what* went wrong, *where*, and a *hint* how to mend it; the command line
prints them and never a traceback. `CODES` lists the codes; docs/errors.md explains each at length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar


class Severity(StrEnum):
    """How much a finding matters: a warning never changes the exit code unless `--strict` is given."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: `where` is a place a person can go to (file:line:column, URL, or a post's title and id)."""

    code: str
    what: str
    where: str | None = None
    hint: str | None = None
    severity: Severity = Severity.WARNING
    excerpt: str | None = None


class VelobuildError(Exception):
    """The family's head. `str()` gives the one-line form; `diagnostics` holds every finding of the same run."""

    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        what: str,
        *,
        code: str,
        where: str | None = None,
        hint: str | None = None,
        excerpt: str | None = None,
        more: tuple[Diagnostic, ...] = (),
    ) -> None:
        super().__init__(what)
        first = Diagnostic(code, what, where, hint, Severity.ERROR, excerpt)
        self.diagnostics: tuple[Diagnostic, ...] = (first, *more)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from `args` alone when they come from a worker process, which this one cannot be.
        return _rebuilt, (type(self), self.args, self.__dict__)

    @property
    def code(self) -> str:
        return self.diagnostics[0].code

    @property
    def hint(self) -> str | None:
        return self.diagnostics[0].hint


def _rebuilt(kind: type[VelobuildError], args: tuple[object, ...], state: dict[str, object]) -> VelobuildError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigError(VelobuildError):
    """Usage or configuration: nothing was tried."""

    exit_code = 2


class TokenError(VelobuildError):
    """The CMS refused the token, its scopes or the plan behind it."""

    exit_code = 3


class SourceUnavailable(VelobuildError):
    """The CMS could not be reached, or asked us to come back later.

    `retry_at` is the time (Unix seconds) at which going on makes sense, where the CMS said so.
    """

    exit_code = 4

    def __init__(
        self,
        what: str,
        *,
        code: str,
        where: str | None = None,
        hint: str | None = None,
        retry_at: float | None = None,
    ) -> None:
        super().__init__(what, code=code, where=where, hint=hint)
        self.retry_at = retry_at


class ProtocolError(VelobuildError):
    """The CMS answered, but not as its contract says: nothing of the answer is used."""

    exit_code = 5


class GuardRefused(VelobuildError):
    """A guard stopped a change that would harm the live site."""

    exit_code = 5


class ContentProblem(VelobuildError):
    """Content or a template that cannot be rendered."""

    exit_code = 1


class OutputError(VelobuildError):
    """Disk, permissions or the output folder."""

    exit_code = 6


class SiteLocked(VelobuildError):
    """Another build of this site is running."""

    exit_code = 7


CODES: Mapping[str, str] = MappingProxyType(
    {
        # VB1xxx: usage and configuration
        "VB1001": "no velobuild.toml found",
        "VB1002": "velobuild.toml is not valid TOML",
        "VB1101": "a value in velobuild.toml is wrong",
        "VB1104": "unknown key in velobuild.toml",
        "VB1105": "a required key is missing",
        "VB1106": "files are in the way",
        "VB1107": "a command or option cannot be used like this",
        "VB1108": "a source that a package adds cannot be used",
        "VB1201": "no token was found",
        "VB1202": "the token cannot be sent",
        "VB1203": "a secret stands in the configuration file",
        "VB1204": "a secrets file can be read by others",
        "VB1205": "the webhook secret cannot be used",
        "VB1301": "the address would send the token unencrypted",
        "VB1302": "another API answers at the address",
        "VB1303": "the CMS has no such collection or field",
        "VB1401": "the theme was not found",
        "VB1402": "the theme is damaged",
        "VB1501": "the demo's extra packages are missing",
        "VB1502": "the development CMS cannot do this now",
        "VB1503": "the Markdown engine is not installed",
        # VB20xx: token, scope, plan
        "VB2001": "the CMS refused the token",
        "VB2002": "the token lacks a scope",
        "VB2003": "the plan does not include the API",
        "VB2004": "the token expires soon",
        # VB21xx: unreachable, limited
        "VB2101": "the CMS could not be reached",
        "VB2102": "the certificate is not trusted",
        "VB2103": "the CMS keeps failing",
        "VB2104": "the CMS asked for a long pause",
        "VB2105": "the daily quota is used up",
        "VB2106": "nothing has been synced yet",
        # VB22xx: broken answers
        "VB2201": "the answer is not what the API promises",
        "VB2202": "the answer was cut short",
        "VB2203": "the answer is too large",
        "VB2204": "the CMS redirected the request",
        "VB2205": "the listing never became stable",
        "VB2206": "a record was left out",
        "VB2207": "an optional part of the API is not available",
        "VB2208": "the CMS ignored the status filter",
        "VB2209": "posts for members were left out",
        "VB2210": "the CMS answered from a cache",
        # VB30xx: content and markup
        "VB3001": "a post was left out",
        "VB3002": "a field was repaired",
        "VB3003": "two posts want the same address",
        "VB3004": "an address is reserved",
        "VB3005": "front matter cannot be read",
        "VB3006": "an internal link leads nowhere",
        "VB3007": "HTML is published as it came",
        # VB31xx: templates
        "VB3101": "a template has a syntax error",
        "VB3102": "a template uses something that does not exist",
        "VB3103": "a template was not found",
        "VB3104": "a template failed",
        "VB3105": "a page took too long to render",
        # VB32xx: imports
        "VB3201": "the export cannot be read",
        "VB3202": "a part of the export was left out",
        # VB40xx: media
        "VB4001": "a media file could not be fetched",
        "VB4002": "a media address is not allowed",
        "VB4003": "a media file is not what it says",
        "VB4004": "a media file is too large",
        # VB50xx: guards
        "VB5001": "the site would shrink",
        "VB5002": "a secret was found in the output",
        "VB5003": "a file would leave the output folder",
        "VB5004": "the release is damaged",
        "VB5005": "no such release",
        "VB5006": "warnings count as errors in strict mode",
        "VB5007": "the site is held at an earlier release",
        # VB60xx: output
        "VB6001": "the disk is full",
        "VB6002": "the output could not be written",
        "VB6003": "the output folder holds files of someone else",
        "VB6004": "the local database was set aside",
        "VB6005": "the local database comes from a newer velobuild",
        "VB6006": "the address or port is in use",
        "VB6007": "changed files are noticed late",
        "VB6008": "the service did not take the delivery",
        # VB70xx
        "VB7001": "another build holds the site",
        "VB9001": "a bug in velobuild",
        "VB9002": "the site is not what a clean build makes",
    }
)
