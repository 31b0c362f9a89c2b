"""`python -P -m tui`, which is `umi`: how processes of our own start the command."""

from __future__ import annotations

import sys

from tui.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
