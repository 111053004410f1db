"""What the owner has put where velobuild would make a page of its own: static files, local pages, redirects."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from velobuild.content.places import SITE, Places, file_of
from velobuild.graph.reader import Reader, path_of, plain_path


def gives_way(route: str, path: str, own: Container[str]) -> bool:
    """Whether an output is left out for an `own` static file of its name. Posts get another address instead."""
    return route != "post" and path in own


def is_contested(reader: Reader, files: Collection[str], own: Iterable[str]) -> bool:
    """Whether one of the `files`, of lists that come or go, is also wanted by the owner: for a page, a redirect or a
    static file, in another letter case too, or as a folder.

    Then a redirect goes or comes back, or the site cannot be published: a walk through all outputs tells which.
    """
    if not files:
        return False
    places = Places()
    for file in own:
        places.take(file, SITE)
    for path in (path_of(page) for page in reader.pages):
        places.take(file_of(path), SITE)
    for redirect in reader.site.config.redirects:
        places.take(file_of(plain_path(redirect.source)), SITE)
    return any(places.rival(file) is not None for file in files)
