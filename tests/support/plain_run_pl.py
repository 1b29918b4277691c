#!/usr/bin/env python3
"""A launcher that quotes as little as Kaldi's run.pl does: not the log's name, and of the words those with blanks."""

import re
import subprocess
import sys

name, first, last = re.fullmatch(r"(\w+)=(\d+):(\d+)", sys.argv[1]).groups()
log, words = sys.argv[2], sys.argv[3:]


def as_run_pl(word):
    if re.fullmatch(r"\S+", word, re.ASCII):
        return word
    return f"'{word}'" if '"' in word else f'"{word}"'


command = " ".join(map(as_run_pl, words))
for job in range(int(first), int(last) + 1):
    own_log, own = log.replace(name, str(job)), command.replace(name, str(job))
    subprocess.run(["bash", "-c", f"mkdir -p `dirname {own_log}`"], check=True)
    subprocess.run(["bash"], input=f"( {own} ) 2>>{own_log} >>{own_log}", text=True, check=True)
