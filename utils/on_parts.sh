# shellcheck shell=bash
# Functions of run.sh. They use its variables: nj (parts), cmd (launcher), models.

# on_parts <source dir> <output dir> <command...>: the command on nj parts of a data directory, and its outputs joined.
# Arguments of the command that begin with @in and @out are replaced by a part's source and output directory.
# A stage whose outputs are current is skipped; `fresh` is then false.
on_parts() {
  local src=$1 out=$2 state jobs
  shift 2
  state=$(stage_state "$src" "$@")
  fresh=true
  if [ "$(cat "$out/.stage" 2>/dev/null)" = "$state" ]; then
    echo "  done and current"
    # shellcheck disable=SC2034 # run.sh reads it
    fresh=false
    return
  fi
  rm -f "$out/.stage"
  jobs=$(split_data.py "$src" "${nj:?}" "$out/split")
  # A recording that fails is listed and does not stop the others; what stops a job stops the stage.
  set -- "${@/#@in/$out/split/JOB}"
  set -- "${@/#@out/$out/parts/JOB}"
  ${cmd:?} JOB=1:"$jobs" "$out/log/${1#firered-}.JOB.log" "$@" --keep-going
  # shellcheck disable=SC2046 # numbers
  combine_data.py "$out" $(seq -f "$out/parts/%g" 1 "$jobs")
  if [ ! -s "$out/failed" ]; then echo "$state" >"$out/.stage"; fi # failures are tried again
}

# stage_state <source dir> <command...>: digest of all that decides a stage's output: the command, the files it names,
# the tables of its source by content, and archives, recordings and models by size and time.
stage_state() {
  local src=$1 word
  shift
  {
    printf '%s\n' "$@"
    for word in "$@"; do if [ -f "$word" ]; then cksum "$word"; fi; done
    find -L "$src" -maxdepth 1 -type f ! -name '.*' ! -name '*.ark' -exec cksum {} + | sort
    find -L "$src" -maxdepth 1 -type f -name '*.ark' -exec stat -L -c '%n %s %Y' {} + | sort
    # Pipes are no files, and missing models are reported by the command.
    cut -d' ' -f2- "$src/wav.scp" | xargs -d '\n' stat -L -c '%n %s %Y' 2>/dev/null || true
    find -L "${models:?}" -type f -exec stat -L -c '%n %s %Y' {} + 2>/dev/null | sort || true
  } | cksum
}
