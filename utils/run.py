#!/usr/bin/env python3
"""Runs a command as numbered jobs on this machine; the calling convention is that of Kaldi's run.pl."""

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # any python3 does: the launcher needs only the standard library

from firered.launch import main

if __name__ == "__main__":
    sys.exit(main("run.py", sys.argv[1:]))
