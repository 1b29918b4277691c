#!/usr/bin/env bash
# Sets up .venv if need be and runs all checks: style, shell scripts, tests.
#
#     bash tests/run.sh [--coverage] [pytest arguments]
#
# Without a choice by `-m`, all tests but those marked nightly. --coverage prints how much of firered they reach.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
utils/setup.sh test
export PATH=$PWD/.venv/bin:$PATH

coverage=()
if [[ "${1:-}" == --coverage ]]; then
  coverage=(--cov --cov-report=term)
  shift
fi

ruff check .
ruff format --check .
if command -v shellcheck >/dev/null; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x
else
  echo "tests/run.sh: shellcheck is not installed, shell scripts are not checked" >&2
fi
export OMP_NUM_THREADS=1 # a worker has a core to itself
# A file stays together: README blocks build on each other. In the order of names, files of one long test are not last.
python -m pytest -m "not nightly" --numprocesses auto --dist loadfile --no-loadscope-reorder "${coverage[@]}" "$@"
