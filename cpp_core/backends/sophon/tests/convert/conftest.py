"""The proofs here use what the tests one folder up use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
