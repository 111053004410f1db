"""The least that a click program can be: what `velobuild --version` is measured against."""

import click


@click.command()
@click.version_option("1.0", prog_name="bare")
def bare() -> None:
    """Does nothing."""


if __name__ == "__main__":
    bare()
