#!/usr/bin/env bash
# Makes the environment .venv at the top of the repository, with the package in it, unless it is there and current.
#
#     utils/setup.sh [test] [bench]     what else to install beside the package itself
#
# PYTHON names the interpreter to use (3.10 or later; default python3).

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$top/.venv
python=${PYTHON:-python3}
extras=$(IFS=,; echo "$*")

# What is installed is noted beside it; a changed pyproject.toml or another place of the repository makes it stale.
wanted="$(cksum <"$top/pyproject.toml") $top"
for part in base "$@"; do
  if [[ "$(cat "$venv/.installed-$part" 2>/dev/null)" != "$wanted" ]]; then
    stale=true
  fi
done
if [[ -z "${stale:-}" ]]; then
  exit 0
fi

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  echo "setup.sh: $("$python" --version 2>&1): Python 3.10 or later is needed; name one with PYTHON=python3.x" >&2
  exit 1
fi
echo "setup.sh: installing firered and what it needs into .venv (torch with CUDA, some 5 GB; minutes, once)" >&2
if [[ ! -x "$venv/bin/python" ]]; then
  "$python" -m venv "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "$top${extras:+[$extras]}" >&2
for part in base "$@"; do
  echo "$wanted" >"$venv/.installed-$part"
done
echo "setup.sh: done" >&2
