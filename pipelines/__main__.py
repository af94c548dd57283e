"""``python -m pipelines`` is the command ``beam-dynamodb``."""

import sys

from pipelines.cli import main

sys.exit(main())
