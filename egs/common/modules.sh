# shellcheck shell=bash
# What recipes share that train another module than recognition: detectors, language identification, punctuation. A
# train.sh sources it after it has taken its options, with `recipe` (its folder) and `own_paths` (those of its options that
# are files or folders). From then on paths count from --dir.

# shellcheck source=utils/plain_paths.sh
. "${TOP:?}/utils/plain_paths.sh"
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"
# shellcheck disable=SC2086 # names
plain_paths dir python ${own_paths:-}
if [ $# -gt 0 ]; then fail "no option: $1; --help lists them"; fi
for variable in ${own_paths:-}; do
  if [ -n "${!variable}" ] && [ ! -e "${!variable}" ]; then
    fail "--${variable//_/-}: no such file or folder: ${!variable}"
  fi
  absolute "$variable"
done
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
conf=$(cd "${recipe:?}/conf/${settings:?}" 2>/dev/null && pwd) || fail "--settings: no such folder: $recipe/conf/$settings"
mkdir -p "${dir:?}"
cd "$dir" || exit

# results <title> [file]: RESULTS.md of the scores, with note.md of the settings, and then the file, before the tables.
# differences=0 leaves out those between each two systems.
results() {
  local file
  firered-table --title "$1" --bootstrap "${differences:-1000}" exp/score exp/table.md
  {
    head -n 1 exp/table.md
    for file in "$conf/note.md" "${@:2}"; do
      if [ -f "$file" ]; then echo && cat "$file"; fi
    done
    tail -n +2 exp/table.md
  } >RESULTS.md
  cat RESULTS.md
}
