#!/usr/bin/env bash
# Runs VAD as an array of jobs of a real Slurm: kills two of its four jobs, wants them named, and runs them again.
#
#     tests/commands/slurm/run.sh MODELS AUDIO      a folder with FireRedVAD/VAD, and one of four recordings or more
#
# The Slurm is set up on the loopback for this alone, with ports and folders of its own, and taken down at the end.
# Needs root. Exit status 77 when slurm-wlm is not there and cannot be installed; the last line says why.

set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
models=$(realpath "$1")
audio=$(realpath "$2")
work=$(mktemp -d)
export SLURM_CONF=$work/slurm.conf

skip() {
  echo "$1"
  exit 77
}

fail() {
  echo "tests/commands/slurm/run.sh: $1" >&2
  tail -n 30 "$work"/*.out "$work"/*.log >&2
  exit 1
}

# wait_for <seconds> <command...>: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then fail "waited in vain for: $*"; fi
    sleep 0.05
  done
}

install_slurm() {
  if [ "$EUID" -ne 0 ]; then skip "only root can install slurm-wlm and start it"; fi
  if command -v slurmctld && command -v slurmd && command -v munged; then return; fi >/dev/null
  if ! command -v apt-get >/dev/null; then skip "slurm-wlm is not installed, and there is no apt-get to install it"; fi
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge; } \
    >"$work/apt.log" 2>&1; then
    skip "slurm-wlm cannot be installed: $(tail -n 1 "$work/apt.log")"
  fi
}

start_munge() {
  install -d -o munge -m 755 "$work/munge"
  head -c 1024 /dev/urandom >"$work/munge/key"
  chown munge "$work/munge/key"
  chmod 400 "$work/munge/key"
  runuser -u munge -- munged --socket="$work/munge/socket" --key-file="$work/munge/key" \
    --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed"
}

start_slurm() {
  local host ports
  host=$(hostname -s)
  # shellcheck disable=SC2207 # two numbers
  ports=($(python3 -c 'import socket
listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(each.getsockname()[1] for each in listening))'))
  mkdir "$work/state" "$work/spool"
  cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$work/munge/socket
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=test Nodes=$host Default=YES State=UP
CONF
  slurmctld
  slurmd
  wait_for 30 node_is_idle
}

node_is_idle() {
  [ "$(sinfo --noheader --format=%t)" = idle ]
}

finish() {
  local pid_file
  if [ -s "$work/slurmctld.pid" ]; then
    scancel --user=root || true
    for _ in {1..50}; do
      if [ -z "$(squeue --noheader)" ]; then break; fi
      sleep 0.1
    done
  fi
  for pid_file in "$work"/slurmd.pid "$work"/slurmctld.pid "$work"/munge/pid; do
    if [ -s "$pid_file" ]; then
      kill "$(<"$pid_file")" || true
      for _ in {1..100}; do
        if [ ! -e "$pid_file" ]; then break; fi # each daemon takes its own away
        sleep 0.1
      done
    fi
  done
  rm -rf "$work"
}

recipe() {
  bash "$TOP/run.sh" --data "$audio" --models "$models" --exp "$work/exp" --nj 4 "$@"
}

process_of() {
  pgrep --full -- "bin/firered-vad .*$work/exp/vad/parts/$1( |\$)"
}

trap finish EXIT
chmod 755 "$work"
install_slurm
start_munge
start_slurm
cd "$work"
launcher="$TOP/utils/slurm.py --mem 500M --num-threads 1"
vad=$work/exp/vad

recipe --stage -1 --stop-stage 1 >local.out 2>&1 || fail "the local run failed"
mv "$vad" local

# The two CPUs go to jobs 1 and 2, where path.sh holds them. Job 2 is cancelled, job 1 then loses its process.
cat >path.sh <<'HOLD'
touch "started.$SLURM_ARRAY_TASK_ID"
while [ -e hold ]; do sleep 0.05; done
HOLD
touch hold
recipe --stage 1 --stop-stage 1 --cmd "$launcher" >first.out 2>&1 &
wait_for 60 test -e started.2
scancel "$(squeue --noheader --format=%F | sort -u)_2"
rm hold
wait_for 60 process_of 1
kill -9 "$(process_of 1)"
if wait $!; then fail "the recipe went on after the death of two jobs"; fi
for message in "slurm.py: 2 / 4 failed, log is in $vad/log/vad.\*.log" "vad.1.log (exit code 137) ends with" \
  "vad.2.log (vanished: Slurm says CANCELLED"; do
  grep -q "$message" first.out || fail "no '$message' in what the launcher said"
done
grep -q "# Finished at .* with status 137" "$vad/log/vad.1.log" || fail "the log of job 1 does not say how it ended"
stat -c %y "$vad"/log/vad.[34].log >before

recipe --stage 1 --stop-stage 1 --cmd "$launcher --pick failed" >second.out 2>&1 || fail "the failed jobs failed again"
stat -c %y "$vad"/log/vad.[34].log | diff before - || fail "jobs that had gone well were run again"
for name in segments rttm vad.jsonl utt2dur utt2spk reco2dur failed; do
  diff "local/$name" "$vad/$name" || fail "$name is not that of the local run"
done
echo "four jobs, one killed, one cancelled, both run again: the same as without Slurm"
