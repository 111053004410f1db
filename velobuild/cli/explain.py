"""`velobuild explain`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from velobuild.cli.context import Context
from velobuild.errors import ConfigError

if TYPE_CHECKING:
    from velobuild.graph.account import BuildAccount
    from velobuild.graph.explain import Explanation, Group
    from velobuild.graph.widest import Wide, Widest
    from velobuild.pipeline.explaining import CopiedFile

PATHS = 8
WIDEST = 10


@click.command()
@click.argument("url", required=False)
@click.option("--all", "every", is_flag=True, default=False, help="What the last build rendered, grouped by cause.")
@click.option("--widest", is_flag=True, default=False, help="What most pages read, and which pages read most.")
@click.option("--limit", type=click.IntRange(1), default=WIDEST, show_default=True, help="With --widest: rows a table.")
@click.pass_obj
def explain(context: Context, url: str | None, every: bool, widest: bool, limit: int) -> None:
    """Say why the page at URL was rendered last, what it depends on, and what did not matter.

    URL is a path such as /about/, a full address, or a file of the output. Works offline, and while the service runs.
    """
    if (url is not None) + every + widest != 1:
        raise ConfigError(
            "`explain` wants one of: a URL, --all, --widest",
            code="VB1107",
            where="explain",
            hint="such as `velobuild explain /about/`",
        )
    from velobuild.graph.explain import Explanation
    from velobuild.pipeline import explaining

    loaded = context.loaded_for_this_machine
    if every:
        account = explaining.explain_all(loaded)
        if account is None:
            context.result("The builds so far changed nothing", {})
        else:
            context.result("\n".join(_account(account, everything=context.flags.verbose > 0)), asdict(account))
    elif widest:
        found = explaining.explain_widest(loaded, limit=limit)
        context.result("\n".join(_widest(found)), asdict(found))
    else:
        assert url is not None
        page = explaining.explain_page(loaded, url, directory=context.directory)
        lines = _explanation(page) if isinstance(page, Explanation) else _copied(page)
        context.result("\n".join(lines), asdict(page))


def _explanation(page: Explanation) -> list[str]:
    lines = [f"{page.url} is {page.what}" + (f" (template {page.template})" if page.template else "")]
    when = f"build {page.build}" + (f", {_time(page.built_at)}" if page.built_at else "")
    lines += ["", f"Why it was rendered ({when}{', the last build' if page.in_last_build else ''}):"]
    lines += [f"  {'→ ' if number else ''}{step}" for number, step in enumerate(page.chain)]
    if page.stayed:
        lines += ["", "Why the last build left it as it was:", *(f"  {line}" for line in page.stayed)]
    if page.pending:
        lines += ["", "Changed since the last build, and read by this page: the next build looks at it"]
        lines += [f"  {line}" for line in page.pending]
    lines += ["", "What it depends on:"]
    for group in page.depends_on:
        lines += _group(group)
    lines.append("  velobuild.toml, the theme's options and its texts: a change of these renders every page")
    return [*lines, "", "What does not matter to it:", *(f"  {line}" for line in page.did_not_matter)]


def _group(group: Group) -> list[str]:
    more = [f"    and {group.more} more"] if group.more else []
    if group.name in {"Templates", "Static files", "Settings"}:
        return [f"  {group.name}: {', '.join(group.lines)}{f' and {group.more} more' if group.more else ''}"]
    return [f"  {group.name}:", *(f"    {line}" for line in group.lines), *more]


def _copied(file: CopiedFile) -> list[str]:
    lines = [f"/{file.path} is {file.source}", "", "It is copied as it is; nothing renders it."]
    if file.shown_by:
        lines += ["", "It is shown by:", *(f"  {one}" for one in file.shown_by)]
        lines += [f"  and {file.more} more"] if file.more else []
    return lines


def _account(account: BuildAccount, *, everything: bool) -> list[str]:
    lines = [f"Build {account.number} ({_time(account.at)}) rendered {account.rendered} of {account.outputs} outputs."]
    for group in account.groups:
        verb, paths = ("rendered", group.rendered) if group.rendered else ("removed", group.removed)
        lines += ["", *(f"{'→ ' if number else ''}{step}" for number, step in enumerate(group.because))]
        shown = paths if everything else paths[:PATHS]
        lines += [f"  {verb} {path}" for path in shown]
        if len(shown) < len(paths):
            lines.append(f"  and {len(paths) - len(shown)} more; -v shows them all")
    return lines


def _widest(found: Widest) -> list[str]:
    lines = [f"The site has {found.outputs} outputs and {found.posts} public posts."]
    lines += _table("Content that most outputs read", found.content, "{0.words}")
    lines += _table("Files of the theme that most outputs use", found.theme, "{0.words}")
    lines += _table("Posts that most outputs read, with what they read of them", found.by_post, "“{0.name}”: {0.words}")
    if found.pages:
        lines += ["", "Outputs that read most posts", "   posts"]
        lines += [f"{page.posts:>8}  {page.url}: {page.fields}" for page in found.pages]
    if found.advice:
        lines += ["", "What every change must touch:", *(f"  {line}" for line in found.advice)]
    return lines


def _table(title: str, rows: tuple[Wide, ...], words: str) -> list[str]:
    if not rows:
        return []
    return ["", title, " outputs", *(f"{row.readers:>8}  {words.format(row)}" for row in rows)]


def _time(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
