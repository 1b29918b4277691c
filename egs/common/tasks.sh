# shellcheck shell=bash
# Functions of recipes that train. They use the script's variables stage, stop_stage and nj, and write to exp/ of the
# folder that the script has changed to.

fail() { # fail <message>
  echo "${0##*/}: $1" >&2
  exit 1
}

absolute() { # absolute <variable...>: paths that are given count from where the recipe was called
  local variable
  for variable in "$@"; do
    if [ -n "${!variable}" ]; then printf -v "$variable" '%s' "$(realpath -m -- "${!variable}")"; fi
  done
}

# in_stage <number> <title>: whether the stage is to be run; prints its title.
in_stage() {
  if [ "${stage:?}" -gt "$1" ] || [ "${stop_stage:?}" -lt "$1" ]; then return 1; fi
  echo "stage $1: $2"
}

# task <name> <command...>: the command with its output in exp/log/<name>.log. A line is added to exp/seconds: name,
# seconds, and seconds of processor time in user and system mode. Lines of the output that match the regular expression
# $progress, if it is set, are shown as they come.
task() {
  local name=$1 TIMEFORMAT='%R %U %S' spent
  shift
  mkdir -p exp/log
  exec {shown}>&1
  if ! spent=$({ time logged "exp/log/$name.log" "$@" >&"$shown"; } 2>&1); then
    echo "$0: $name failed; $PWD/exp/log/$name.log ends with" >&2
    tail -n 5 "exp/log/$name.log" >&2
    return 1
  fi
  exec {shown}>&-
  echo "$name $spent" >>exp/seconds
  echo "  $name: ${spent%% *} s"
}

# logged <log> <command...>
logged() {
  if [ -z "${progress:-}" ]; then
    "${@:2}" >"$1" 2>&1
  else
    "${@:2}" 2>&1 | tee "$1" | { grep --line-buffered -E -- "$progress" || [ $? -eq 1 ]; } | sed -u 's/^/    /'
  fi
}

# trained <name> <settings> <section.name=value...>: a training, on --ngpu GPUs, through --cmd.
trained() {
  local name=$1 given=() words change
  for change in "${@:3}" ${train_options:-}; do given+=(--set "$change"); done
  if [ "${ngpu:?}" -eq 0 ]; then given+=(--set train.device=cpu); fi
  words=(firered-train "$2" "${given[@]}" --set "out=exp/$name")
  if [ "$ngpu" -gt 1 ]; then
    words=(torchrun --standalone --nproc_per_node "$ngpu" -m firered.cli.train "${words[@]:1}")
  fi
  if [ -n "${cmd:-}" ]; then
    local launcher quoted=()
    launcher_words
    for change in "${words[@]}"; do quoted+=("$(shell_word "$change")"); done
    words=("${launcher[@]}" --gpu "$ngpu" "exp/log/job_$name.log" "${quoted[@]}")
    echo "  train_$name: exp/log/job_$name.log"
  fi
  progress=' dev epoch | skipped|warning' task "train_$name" "${words[@]}"
}

# once <name> <command...>: a task, unless it is done already (exp/done/<name>).
once() {
  if [ -f "exp/done/$1" ]; then return; fi
  task "$@"
  mkdir -p exp/done
  : >"exp/done/$1"
}

# both <function> <function>: the two in parallel, or with nj=1 one after the other.
both() {
  if [ "${nj:?}" -lt 2 ]; then
    "$1"
    "$2"
    return
  fi
  local parallel_pids=() # a name that the functions, which see it, do not use
  set -m # each in a process group of its own, so that all of it can be ended
  "$1" &
  parallel_pids+=($!)
  "$2" &
  parallel_pids+=($!)
  set +m
  wait "${parallel_pids[0]}"
  wait "${parallel_pids[1]}"
}

# Ends what is still running: of two parallel functions, the one that continues after the other has failed.
end_jobs() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done
}
trap end_jobs EXIT
