"""Tests of egs/mini_funaudio: where its scripts are, and figures as they write them."""

import json
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# The recipe's scripts, and those that it shares with egs/mini, are no package.
sys.path[:0] = [str(TOP / folder) for folder in ("egs/mini_funaudio/local", "egs/mini/local", "egs/common")]


def counts(errors, tokens=100):
    return {"errors": errors, "tokens": tokens}


def score_of(errors, **more):
    return json.dumps(
        {"tokens": 200, "errors": errors, "substitutions": errors, "deletions": 0, "insertions": 0, **more}
    )


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
