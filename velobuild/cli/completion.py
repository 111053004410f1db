"""`velobuild completion SHELL`: the script that makes the Tab key work."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from velobuild.cli.context import Context


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(click_context: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    bash:  velobuild completion bash > ~/.local/share/bash-completion/completions/velobuild
    zsh:   velobuild completion zsh > ~/.zfunc/_velobuild     (a folder that is in fpath)
    fish:  velobuild completion fish > ~/.config/fish/completions/velobuild.fish
    """
    from velobuild.cli.main import COMPLETE_VARIABLE

    context = click_context.find_object(Context)
    assert context is not None
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    script = shell_class(click_context.find_root().command, {}, "velobuild", COMPLETE_VARIABLE)
    # The base class's method: bash's own starts a bash to ask for its version, which the machine at hand may not have.
    context.result(ShellComplete.source(script))
