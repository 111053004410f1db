"""The command line with two of the Markdown extensions, `extra` and `toc`, in place of all: what Pelican is given too.

velobuild has no such setting, so this row is beside the product; the row with the full set is the product.
"""

import sys

from velobuild.markup import markdown

if __name__ == "__main__":
    narrow = ("markdown.extensions.extra", "markdown.extensions.toc")
    markdown.EXTENSIONS = narrow
    markdown.SETTINGS = {name: markdown.SETTINGS[name] for name in narrow}

    from velobuild.cli.main import main

    sys.exit(main())
