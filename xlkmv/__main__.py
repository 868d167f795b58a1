"""``python -m xlkmv``."""

import sys

from xlkmv.cli.commands import main

sys.exit(main())
