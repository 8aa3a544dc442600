"""python -m distill_lib"""

import sys

from distill_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
