"""Where a body's own relative addresses lead, said in HTML's way: a `<base href>` at its very beginning.

A site with several sources has several answers, and so has a folder whose posts lie in folders of their own. Said in
the body it is a part of what is prepared and remembered, so that two equal texts in two places stay apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from velobuild.markup.urls import origin

MARK = re.compile(r'<base href="(https?://[^"<>\s]{1,4000})">')


def with_base(body: str, base: str) -> str:
    """The body with its base before it. `base` is an absolute, percent-encoded http or https address."""
    return f'<base href="{base}">{body}'


def own_base(body: str, own_origins: Collection[str]) -> tuple[str, str | None]:
    """The body without its base, and that. Only a base at one of the site's own sources counts.

    Any other is what an author wrote, and stays for the sanitizer.
    """
    found = MARK.match(body)
    if found is None or origin(found[1]) not in own_origins:
        return body, None
    return body[found.end() :], found[1]
