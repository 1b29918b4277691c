# shellcheck shell=bash
# Sourced by scripts that measure in parts, with $TOP set and utils/path.sh sourced. A part's result stays in a folder, so
# that the same command goes on where it was stopped.
#
#     work=parts minutes=20                    the folder of results; minutes in which all is done, counted from the start
#     . "$TOP/tests/bench/parts.sh"
#     stamp="card, options; code $(code_of)"   what results depend on: those with another stamp are done again
#     run_part aed 300 bash part.sh aed        at most 300 s; the command's last argument is the file to append to
#     show_parts aed vad                       the results, of parts that failed what they had written
#     exit "$failed"                           1 where a part failed or was not begun

stamp=
failed=0

if [[ ! "${minutes:?}" =~ ^[0-9]+$ ]]; then
  echo "${0##*/}: --minutes $minutes: not a whole number" >&2
  exit 2
fi
mkdir -p "${work:?}"
work=$(cd "$work" && pwd)
scratch=$work/scratch # what a part leaves there goes with it
trap 'rm -rf "$scratch"' EXIT

# A number that changes with what is measured and with what measures it.
code_of() {
  (
    cd "$TOP" || exit
    find firered tests/bench -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 cksum | cksum | cut -d ' ' -f 1
  )
}

has_result() { # has_result <name>: whether the part is done
  _has_stamp "$work/$1.md"
}

_has_stamp() { # _has_stamp <file>
  [[ -f "$1" && "$(head -n 1 "$1")" == "<!-- $stamp -->" ]]
}

run_part() { # run_part <name> <seconds> <command...>
  local name=$1 limit=$2 result=$work/$1.md left=$((minutes * 60 - SECONDS)) begun=$SECONDS status=0 reason
  shift 2
  if has_result "$name"; then
    echo "${0##*/}: $name is done: $result"
    return
  fi
  if ((limit > left)); then limit=$left; fi
  if ((limit < ${least:-20})); then
    echo "${0##*/}: $name is not begun, the $minutes minutes are over; the same command goes on with it" >&2
    failed=1
    return
  fi
  echo "${0##*/}: $name (at most $limit s)"
  rm -f "$result" "$result.failed"
  echo "<!-- $stamp -->" >"$result.new"
  mkdir -p "$scratch"
  attend timeout --kill-after 10 "$limit" "$@" "$result.new" || status=$?
  rm -rf "$scratch"
  if ((status == 0)); then
    mv "$result.new" "$result"
    echo "${0##*/}: $name took $((SECONDS - begun)) s"
    return
  fi
  # shellcheck disable=SC2034 # the script's exit status
  failed=1
  reason="failed with status $status"
  if ((status == 124 || status == 137)); then reason="was cut off at its limit of $limit s"; fi
  { echo; echo "($name $reason; the rows above are those that were done.)"; } >>"$result.new"
  mv "$result.new" "$result.failed"
  echo "${0##*/}: $name $reason; the same command does it again" >&2
}

show_parts() { # show_parts <name...>
  local name result
  for name in "$@"; do
    for result in "$work/$name.md" "$work/$name.md.failed"; do
      if _has_stamp "$result"; then
        echo
        tail -n +2 "$result"
        break
      fi
    done
  done
}
