#!/usr/bin/env bash
# Runs all checks: style, types, shell scripts, tests.
#
#     bash tests/run.sh [--python /path/to/bin/python] [--coverage] [pytest arguments]
#
# --python names the environment to use (so does PATH_SH; see utils/path.sh); without it .venv is set up if need be.
# --coverage prints how much of firered the tests reach. Without a choice by `-m`, all but those marked nightly run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
TOP=$PWD
firered_extras="dev"
python=
if [[ "${1:-}" == --python ]]; then
  python=${2:?tests/run.sh: --python needs a path}
  shift 2
fi
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

coverage=()
if [[ "${1:-}" == --coverage ]]; then
  coverage=(--cov --cov-report=term)
  shift
fi

ruff check .
ruff format --check .
mypy
if command -v shellcheck >/dev/null; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x
else
  echo "tests/run.sh: shellcheck is not installed, shell scripts are not checked" >&2
fi
export OMP_NUM_THREADS=1 # a worker has a core to itself
# A file stays together: README blocks build on each other. In the order of names, files of one long test are not last.
python -m pytest -m "not nightly" --numprocesses auto --dist loadfile --no-loadscope-reorder "${coverage[@]}" "$@"
