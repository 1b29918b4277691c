# shellcheck shell=bash
# What recipes share that train another module than recognition: detectors, language identification, punctuation. A
# train.sh sources it after it has taken its options, with `recipe` (its folder) and `own_paths` (those of its options that
# are files or folders). From then on paths count from --dir.

# shellcheck source=utils/plain_paths.sh
. "${TOP:?}/utils/plain_paths.sh"
# shellcheck disable=SC2086 # names
plain_paths dir python ${own_paths:-}

fail() { # fail <message>
  echo "${0##*/}: $1" >&2
  exit 1
}

if [ $# -gt 0 ]; then fail "no option: $1; --help lists them"; fi
for variable in ${own_paths:-}; do
  if [ -n "${!variable}" ]; then
    if [ ! -e "${!variable}" ]; then fail "--${variable//_/-}: no such file or folder: ${!variable}"; fi
    printf -v "$variable" '%s' "$(realpath -- "${!variable}")"
  fi
done
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

conf=$(cd "${recipe:?}/conf/${settings:?}" 2>/dev/null && pwd) || fail "--settings: no such folder: $recipe/conf/$settings"
mkdir -p "${dir:?}"
cd "$dir" || exit

# trained <name> <section.name=value...>: a training by the settings <name>.yaml, on --ngpu GPUs, to exp/<name>.
trained() {
  local name=$1 given=() words change
  for change in "${@:2}" ${train_options:-}; do given+=(--set "$change"); done
  if [ "${ngpu:?}" -eq 0 ]; then given+=(--set train.device=cpu); fi
  words=(firered-train "$conf/$name.yaml" "${given[@]}" --set "out=exp/$name")
  if [ "$ngpu" -gt 1 ]; then
    words=(torchrun --standalone --nproc_per_node "$ngpu" -m firered.cli.train "${words[@]:1}")
  fi
  task "train_$name" "${words[@]}"
}
