"""``python -m campaign_lab`` is the command ``campaign-lab``."""

import sys

from campaign_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
