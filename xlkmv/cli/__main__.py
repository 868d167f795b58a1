"""``python -m xlkmv.cli``."""

import sys

from xlkmv.cli.commands import main

sys.exit(main())
