# shellcheck shell=bash
# Sourced by path.sh: a script's commands end with it, and an interrupted script says that the same command resumes.

# Commands and launchers watch the processes that are named here, so that they end even with a script that is killed.
_attend_outermost=${FIRERED_PARENTS:+false}
export FIRERED_PARENTS="${FIRERED_PARENTS:+$FIRERED_PARENTS }$HOSTNAME:$$"
_attended=

# attend <command...>: the command, which SIGINT, SIGTERM and SIGHUP for this script end at once. In the foreground it
# would be waited for first.
attend() {
  local status=0
  trap '_attend_stop TERM 143' TERM
  trap '_attend_stop HUP 129' HUP
  "$@" <&0 &
  _attended=$!
  wait "$_attended" || status=$?
  _attended=
  trap - TERM HUP
  return "$status"
}

_attend_stop() { # _attend_stop <signal> <exit status>
  trap '' INT TERM HUP
  if [[ -n "$_attended" ]]; then
    kill -s TERM "$_attended" 2>/dev/null || true
    wait "$_attended" 2>/dev/null || true # of a status of its own
  fi
  if [[ -z "$_attend_outermost" ]]; then
    echo "${0##*/}: stopped by SIG$1; the same command resumes" >&2
  fi
  exit "$2"
}

trap '_attend_stop INT 130' INT
