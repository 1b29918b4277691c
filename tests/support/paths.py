"""Where things are: the checkout, the tests and what they compare with."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TOP = TESTS.parent
EGS = TOP / "egs"
UTILS = TOP / "utils"
GOLDENS = TESTS / "goldens"
# Released weights and real recordings, which are not part of the repository.
SHARED = Path(os.environ.get("FIRERED_SHARED") or TOP.parent / "shared")
BIN = Path(sys.executable).parent  # console scripts
