# shellcheck shell=bash
# Sourced by run.sh, tests/run.sh and the recipes, with TOP set: puts python, the firered commands and utils/ on PATH, and
# has what they start end with them (attend.sh).
#
#     firered_extras="test"     # where the script needs more of pyproject.toml's extras than recipes do
#     . "$TOP/utils/path.sh"
#
# The environment is the first of these:
#   $python    /path/to/bin/python, a script's option --python
#   $PATH_SH   a file to source that puts the python to use on PATH, as a Kaldi recipe's path.sh does
#   .venv      made by utils/setup.sh where it is not there or not current
#
# Nothing is installed into an environment of your own; `pip install -e '.[recipes]'` makes it ready.

_path_fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}

if [[ "${TOP:?}" == *:* ]]; then _path_fail "$TOP: a checkout cannot be used in a folder with a colon in its name"; fi

# shellcheck source=utils/attend.sh
. "$TOP/utils/attend.sh"

if [[ -n "${python:-}" ]]; then
  if [[ ! -x "$python" || -d "$python" ]]; then _path_fail "--python: no such program: $python"; fi
  PATH=$(cd -- "$(dirname -- "$python")" && pwd):$PATH
  _path_named="--python $python"
elif [[ -n "${PATH_SH:-}" ]]; then
  if [[ ! -r "$PATH_SH" ]]; then _path_fail "PATH_SH: cannot read $PATH_SH"; fi
  set +u # such files are seldom written for it; those of conda are not
  # shellcheck source=/dev/null
  . "$(realpath "$PATH_SH")"
  set -u
  _path_named="PATH_SH=$PATH_SH"
else
  # shellcheck disable=SC2086 # words
  "$TOP/utils/setup.sh" ${firered_extras:-}
  PATH=$TOP/.venv/bin:$PATH
  _path_named=
fi
export PATH=$TOP/utils:$PATH

# A console script and the python in its folder are one environment; a mix of two would fail only stages later.
if [[ -n "$_path_named" ]]; then
  if ! command -v firered >/dev/null || ! python -c 'import firered' 2>/dev/null; then
    _path_fail "$_path_named: firered is not installed there: pip install -e '${TOP}[recipes]'"
  fi
  if [[ "$(dirname "$(command -v firered)")" != "$(dirname "$(command -v python)")" ]]; then
    _path_fail "$_path_named: python is $(command -v python), but firered $(command -v firered)"
  fi
fi
unset -v _path_named
unset -f _path_fail
