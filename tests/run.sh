#!/usr/bin/env bash
# Sets up .venv if need be and runs all checks: style, shell scripts, tests. Arguments go to pytest.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
utils/setup.sh test
export PATH=$PWD/.venv/bin:$PATH

ruff check .
ruff format --check .
if command -v shellcheck >/dev/null; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -x
else
  echo "tests/run.sh: shellcheck is not installed, shell scripts are not checked" >&2
fi
python -m pytest --numprocesses auto --dist loadfile "$@"  # a file stays together: README blocks build on each other
