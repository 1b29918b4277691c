#!/usr/bin/env bash
# Makes the environment .venv at the top of the repository, with the package in it, unless it is there and current.
#
#     utils/setup.sh [test] [docs] [dev] [bench]     extras to install in addition to what run.sh and the recipes need
#
# PYTHON names the interpreter to make it with (3.10 or later; default python3). Those who have an environment of their
# own need none of this: see utils/path.sh.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$top/.venv
python=${PYTHON:-python3}
extras=$(IFS=,; echo "recipes${*:+,$*}")

refuse() { # refuse <what is wrong>
  echo "setup.sh: $1" >&2
  echo "setup.sh: remove it (rm -rf '$venv') and try again: it is recreated. Or keep an environment of your own" >&2
  echo "setup.sh: elsewhere and name it: PATH_SH=path.sh bash run.sh, or bash run.sh --python /path/to/bin/python" >&2
  exit 1
}

# Installing into an environment that belongs to another checkout would change what that one runs.
if [[ -L "$venv" ]]; then
  refuse "$venv is a symbolic link (to $(readlink "$venv")), so its environment is not this checkout's own"
fi
for note in "$venv"/lib/python*/site-packages/firered-*.dist-info/direct_url.json; do
  if [[ ! -f "$note" ]]; then continue; fi
  url=$(sed -n 's|.*"url": *"file://\([^"]*\)".*|\1|p' "$note")
  other=$(printf '%b' "${url//%/\\x}") # %20 is a space
  if [[ -f "$other/pyproject.toml" && ! "$other" -ef "$top" ]]; then
    refuse "$venv holds the package of another checkout, $other"
  fi
done

# Markers in .venv note what is installed; a changed pyproject.toml or another place of the repository makes it stale.
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
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "${top}[$extras]" >&2
for part in base "$@"; do
  echo "$wanted" >"$venv/.installed-$part"
done
echo "setup.sh: done" >&2
