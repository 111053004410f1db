"""`python -m velobuild`."""

import sys

from velobuild.cli.main import main

sys.exit(main())
