"""Causes as sentences: from what changed to the page, so that whoever writes posts can follow it.

Pure: titles and names are asked of a `Naming`, which the caller gives.
"""

from __future__ import annotations

from velobuild.graph.answers import POSTS, RELATED
from velobuild.graph.changes import BECAUSE, Cause, named_fields
from velobuild.graph.wording import (
    ROUTES,
    Naming,
    field_words,
    key_words,
    listed,
    query_words,
    sentence,
    tag_words,
)
from velobuild.model.locales import year_of_value
from velobuild.model.outputs import Target
from velobuild.model.reads import Field

EDITED = "was edited"
GONE = "is gone"
IN_LISTS = frozenset({"list", "tag", "year", "home"})
OF_CONFIG = " in velobuild.toml"
BESIDE = int(Field.PREVIOUS | Field.NEXT)
_ALL = {
    "nothing was built before": "this was the first build, as far as velobuild knows",
    "--clean": "the build was called with --clean",
    "--strict": "the build was called with --strict",
    "the build before was cut short": "the build before was cut short, so that what is live was not known",
}
_FILES = {"feed": "feed", "sitemap": "sitemap", "redirect": "redirect", "robots": "file"}


def chain(cause: Cause, target: Target, naming: Naming) -> tuple[str, ...]:
    """Why an output was rendered: from what changed to the page, one sentence a step."""
    this = f"this {_FILES.get(target.route, 'page')}"
    match cause.kind:
        case "post":
            return (*_post_steps(cause), sentence(_own_end(cause, target, this, naming)))
        case "all":
            return (sentence(_whole_words(cause.name)), "So every page was rendered.")
        case "new":
            return _new_chain(cause, target, this, naming)
        case "route":
            return _other_chain(cause, target, this)
        case "failed":
            return ("This page could not be rendered before; it is tried again in every build.",)
        case "file":
            return ("Its published file had been changed or removed by hand.", "So it was written again.")
        case "template":
            return (sentence(cause.behind), sentence(f"{this} is made with it"))
        case "asset":
            return (
                sentence(cause.behind),
                "This page links to it, and the link holds a mark of its content so that browsers fetch it anew.",
            )
        case "page" if target.route == "page":
            return (f"The page “{_page(target, naming)}”, or something that it links to, was edited.",)
    return (*_key_steps(cause, naming), sentence(f"{this} {'lists them' if cause.kind == 'places' else 'shows it'}"))


def shared_chain(cause: Cause, target: Target, naming: Naming) -> tuple[str, ...]:
    """The same for all outputs of one cause together: without the steps that are of one output alone."""
    if cause.kind == "post":
        return _post_steps(cause)[:1]
    if cause.kind == RELATED:
        return (sentence(cause.behind), "So other posts are most related to the posts of these pages.")
    steps = chain(cause, target, naming)
    return steps[:-1] or steps


def gone_words(cause: Cause) -> str:
    """Why an output was removed, as a sentence."""
    if cause.behind:
        return sentence(cause.behind)
    if cause.detail in IN_LISTS:
        return "Its list has fewer posts now, or none."
    if cause.detail == "page":
        return "It is not among the site's own pages any more."
    return sentence(f"{ROUTES.get(cause.detail, 'this output')} is not made here any more")


def _whole_words(why: str) -> str:
    """Why every page was made anew; of several tables of the configuration the file is named once."""
    named = why.removesuffix(" changed")
    if why in _ALL or named == why:
        return _ALL.get(why, why)
    parts = named.split(" and ")
    tables = [part.removesuffix(OF_CONFIG) for part in parts if part.endswith(OF_CONFIG)]
    others = [_part_words(part) for part in parts if not part.endswith(OF_CONFIG)]
    return f"{listed([*others, *([listed(tables) + OF_CONFIG] if tables else [])])} changed"


def _part_words(part: str) -> str:
    if part.startswith("the package "):
        return f"the version of {part}"
    return {"velobuild itself": "the version of velobuild", "how bodies are prepared": "the way to prepare bodies"}.get(
        part, part
    )


def _post_steps(cause: Cause) -> tuple[str, ...]:
    """What happened to a post, and before it what brought that about if it was something else."""
    fields = named_fields(cause.detail)
    if cause.behind == EDITED and fields:
        # Another date brings other neighbours: naming them too would make one edit look like three.
        words = field_words(fields & ~BESIDE or fields)
        return (sentence(f"the post “{cause.name}” was edited: its {listed(words)}"),)
    effect, because, root = cause.behind.partition(BECAUSE)
    first = sentence(f"the post “{cause.name}” {effect}")
    return (sentence(root), f"So {first[:1].lower()}{first[1:]}") if because else (first,)


def _own_end(cause: Cause, target: Target, this: str, naming: Naming) -> str:
    """What the post has to do with the page."""
    shown = f"its {listed(field_words(named_fields(cause.detail)))}"
    if cause.behind.startswith(GONE):
        return f"{this} showed {shown}"
    if cause.behind.startswith(EDITED) and target.route == "post" and naming.post(_id(target)) == cause.name:
        return "this is its page"
    return f"{this} shows {shown}"


def _key_steps(cause: Cause, naming: Naming) -> tuple[str, ...]:
    """What changed, and what that altered: a list, a number, a name."""
    key = f"{cause.kind}:{cause.name}" if cause.name else cause.kind
    if cause.kind in {POSTS, RELATED}:
        return (sentence(cause.behind), sentence(f"so this list changed: {query_words(key, naming)}"))
    return (sentence(cause.behind), sentence(f"so this changed: {key_words(key, naming)}"))


def _new_chain(cause: Cause, target: Target, this: str, naming: Naming) -> tuple[str, ...]:
    end = f"So there is {this}, which was not there before."
    if cause.behind:
        return (sentence(cause.behind), end)
    if target.route == "page":
        return (f"The page “{_page(target, naming)}” was added to the site's own pages.",)
    if target.route in IN_LISTS and target.params.get("newer_url") is not None:
        return ("Its list has so many posts now that they fill one more page.", end)
    whose = _whose(target, naming)
    if whose:
        return (sentence(f"{whose} has posts now, and had none before"), end)
    return (f"There is {ROUTES.get(target.route, 'an output')} now where there was none before.",)


def _whose(target: Target, naming: Naming) -> str:
    """The tag or the year of a list or a feed; "" where it is of neither."""
    if "tag" in target.params:
        return tag_words(str(target.params["tag"]), naming)
    return f"the year {year_of_value(target.params['year'])[1]}" if "year" in target.params else ""


def _other_chain(cause: Cause, target: Target, this: str) -> tuple[str, ...]:
    """Why there is another output at an address than before, though nothing that it read changed."""
    now = ROUTES.get(target.route, target.route)
    if target.route == "redirect":
        now = f"a redirect to {target.params['target_url']}"
    before = cause.detail.partition(" ")[0]
    if before and before != target.route:
        return (f"At this address was {ROUTES.get(before, before)} before; now it is {now}.",)
    if before:
        return (sentence(f"{this} is made with another template now"),)
    if target.route in IN_LISTS:
        return ("Its list has more or fewer pages now.", "So this page begins, ends or links elsewhere.")
    if target.route == "sitemap":
        return ("A month or a day has its first posts, or lost its last ones.", "So this sitemap names other files.")
    if target.route == "redirect":
        return (sentence(f"it is {now} now"),)
    return (sentence(f"{this} is of another post now, or in another language"),)


def _id(target: Target) -> str:
    return str(target.params["id"])


def _page(target: Target, naming: Naming) -> str:
    return naming.page(_id(target))
