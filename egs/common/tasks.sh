# shellcheck shell=bash
# Functions of recipes that train. They use the script's variables stage, stop_stage and nj, and write to exp/ of the
# folder that the script has changed to.

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
