#!/usr/bin/env python3
"""Runs a command as numbered jobs on a Ray cluster; the calling convention is that of Kaldi's run.pl."""

import sys
from pathlib import Path

# In place of this folder, where Python would take this file for the package `ray`.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from firered.launch.call import main
from firered.launch.ray import run_jobs

if __name__ == "__main__":
    sys.exit(main("ray.py", sys.argv[1:], run_jobs))
