#!/usr/bin/env python3
"""Runs a command as a Slurm job array; the calling convention is that of Kaldi's slurm.pl."""

import sys
from pathlib import Path

# Any python3 does: launchers need only the standard library.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from firered.launch.call import main
from firered.launch.slurm import run_jobs

if __name__ == "__main__":
    sys.exit(main("slurm.py", sys.argv[1:], run_jobs))
