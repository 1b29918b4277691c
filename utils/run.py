#!/usr/bin/env python3
"""Runs a command as numbered jobs on this machine; the calling convention is that of Kaldi's run.pl."""

import sys
from pathlib import Path

# Any python3 does: launchers need only the standard library.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from firered.launch.call import main
from firered.launch.local import run_jobs

if __name__ == "__main__":
    sys.exit(main("run.py", sys.argv[1:], run_jobs))
