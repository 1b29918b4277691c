# shellcheck shell=bash
# Functions of run.sh. They use its variables: nj (parts), cmd (launcher), models.

# on_parts <source dir> <output dir> <command...>: the command on nj parts of a data directory, and its outputs joined.
# Arguments @in, @in/<file> and @out of the command stand for a part's source and output directory.
# A stage whose outputs are current is skipped.
on_parts() {
  local src=$1 out=$2 here=$PWD state jobs job word lock launcher parts=() words=()
  shift 2
  state=$(stage_state "$src" "$@")
  if [ "$(cat "$out/.stage" 2>/dev/null)" = "$state" ]; then
    echo "  done and current"
    return
  fi
  mkdir -p "$out"
  only_run_in "$out"
  rm -f "$out/.stage"
  jobs=$(split_data.py "$src" "${nj:?}" "$out/split")
  job=$(job_name "$out" "$PWD" "$@")
  for word in "$@"; do
    case $word in
      @in | @in/*) word=$out/split/$job${word#@in} ;;
      @out) word=$out/parts/$job ;;
    esac
    words+=("$(shell_word "$word")")
  done
  # A recording that fails is listed and does not stop the others; what stops a job stops the stage.
  words+=(--keep-going)
  launcher_words
  if [[ $out =~ ^[A-Za-z0-9_./+-]+$ || ${launcher[0]} == *.py ]]; then
    attend "${launcher[@]}" "$job=1:$jobs" "$out/log/${1#firered-}.$job.log" "${words[@]}"
  else # Kaldi's own launchers leave the name of the log unquoted: let it have none of the folder's characters
    words=(cd "$(shell_word "$here")" '&&' "${words[@]}")
    cd "$out" || return
    attend "${launcher[@]}" "$job=1:$jobs" "log/${1#firered-}.$job.log" "${words[@]}"
    cd "$here" || return
  fi
  for ((word = 1; word <= jobs; word++)); do parts+=("$out/parts/$word"); done
  combine_data.py "$out" "${parts[@]}"
  if [ ! -s "$out/failed" ]; then echo "$state" >"$out/.stage"; fi # failures are tried again
  exec {lock}>&-
}

# launcher_words: sets `launcher` to the words of $cmd; a path may hold blanks where it is all that is given.
launcher_words() {
  if [ -x "${cmd:?}" ]; then
    launcher=("$(realpath "$cmd")")
  else
    read -ra launcher <<<"$cmd"
    # A relative path must do from another folder, too; a name is looked up in PATH.
    if [[ ${launcher[0]} == */* ]]; then launcher[0]=$(realpath "${launcher[0]}"); fi
  fi
}

# job_name <words...>: what the launcher is to replace by a job's number: JOB, or longer where a word holds that.
job_name() {
  local name=JOB
  while [[ "$*" == *"$name"* ]]; do name+=_; done
  echo "$name"
}

# shell_word <word>: the word as launchers take it: they join words by blanks for a shell, put those with white space
# into double quotes, where $ expands, and leave the others as they are. This one has no white space, and a shell reads
# the given word from it.
shell_word() {
  local quoted
  printf -v quoted %q "$1"
  case $quoted in
    \$\'*) quoted=${quoted// /\\040} ;;
    *) quoted=${quoted//\\ /\$\'\\040\'} ;;
  esac
  printf '%s\n' "$quoted"
}

# only_run_in <folder>: ends the script where another run works on the same stage; else the file `lock` holds the folder.
only_run_in() {
  if ! command -v flock >/dev/null; then
    exec {lock}>/dev/null # the locks of the parts are left
    return
  fi
  exec {lock}>>"$1/.stage.lock"
  if ! flock -n "$lock"; then
    echo "${0##*/}: $1: another run works in here: $(cat "$1/.stage.lock")" >&2
    echo "${0##*/}: wait for its end, or give this one another folder with --exp" >&2
    exit 1
  fi
  echo "$0 on $HOSTNAME, process $$, since $(date '+%F %T')" >"$1/.stage.lock"
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
    find -L "$src" -maxdepth 1 -type f -name '*.ark' -exec stat -L -c '%n %s %y' {} + | sort
    # Pipes are no files, and missing models are reported by the command.
    values "$src/wav.scp" | xargs -d '\n' stat -L -c '%n %s %y' -- 2>/dev/null || true
    values "$src/feats.scp" | sed 's/\[[0-9:]*]$//; s/:[0-9]*$//' | sort -u |
      xargs -d '\n' stat -L -c '%n %s %y' -- 2>/dev/null || true
    find -L "${models:?}" -type f -exec stat -L -c '%n %s %y' {} + 2>/dev/null | sort || true
  } | cksum
}

# values <table>: what stands behind the ids of a table, a line each; nothing where there is no table.
values() {
  if [ -f "$1" ]; then cut -d' ' -f2- "$1"; fi
}
