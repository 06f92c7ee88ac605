"""`python -m workbench.host`: the process that owns a session; begun by `spawn.py` alone."""

import sys

from workbench.host.process import main

sys.exit(main())
