#!/usr/bin/env bash
# Other systems beside ours, on one machine in one go: the published code's way of steps, transformers' Whisper,
# CTranslate2, sherpa-onnx, each in a process of its own. A Markdown table comes out.
#
#     bash tests/bench/peers.sh [--part NAME] [--size L] [--threads 2] [--out peers.md]
#     bash tests/bench/peers.sh --whisper DIR --corpus DIR     real weights of Whisper as well
#     bash tests/bench/peers.sh --size XS --threads 1          tries all of it, in minutes
#
#   --part        shapes (random weights), weights (Whisper's), or a system: `python tests/bench/peers.py jobs` lists them
#   --size        of our model: XS, S, M, L; with XS the others are small as well, else of whisper-large-v3's shape
#   --threads     of the processor [2]
#   --batches     sizes of batches of random weights [1,8]
#   --rounds      of each measurement, after one that warms up; the fastest is told [2]
#   --whisper     a directory of Whisper's weights, as transformers loads it
#   --corpus      a Kaldi data directory with wav.scp and text, each recording an utterance
#   --language    of the corpus, by Whisper's code [zh]
#   --utterances  of the corpus, at most [60]
#   --minutes     in which all is done [120]; what no time is left for is done by the next call
#   --work        results and models [peer_parts]. What has its result there from this code, machine and options is
#                 skipped; what failed or was cut off is done again
#   --out         the table, made of all results [peers.md]
#   --python      an environment of your own; without it .venv is set up

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
TOP=$PWD

part=
size=L
threads=2
batches=1,8
rounds=2
whisper=
corpus=
language=zh
utterances=60
minutes=120
work=peer_parts
out=peers.md
python=
help_message=$(sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}")

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
if [[ "$part" == weights && (-z "$whisper" || -z "$corpus") ]]; then
  echo "peers.sh: --part weights: --whisper DIR and --corpus DIR are needed" >&2
  exit 2
fi
# shellcheck disable=SC2034 # path.sh reads it
firered_extras="bench"
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
# shellcheck source=tests/bench/parts.sh
. "$TOP/tests/bench/parts.sh"
export PYTHONPATH=$TOP${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=$threads

about=$(python tests/bench/peers.py about)
machine="$about; code $(code_of), $threads threads, $rounds rounds"
echo "$machine"
jobs=$(python tests/bench/peers.py jobs ${part:+"$part"})

results=() unmeasured=()
for kind in shapes weights; do
  if [[ "$kind" == weights && (-z "$whisper" || -z "$corpus") ]]; then
    if grep -q "^weights " <<<"$jobs"; then echo "peers.sh: without real weights: no --whisper and --corpus"; fi
    continue
  fi
  if [[ "$kind" == shapes ]]; then
    limit=1200 given=(--size "$size" --batches "$batches")
  else
    limit=900 given=(--whisper "$whisper" --corpus "$corpus" --language "$language" --utterances "$utterances")
  fi
  stamp="$machine, ${given[*]}"
  given+=(--work "$work" --threads "$threads" --rounds "$rounds")
  while read -r _ system dtype; do
    name=$kind-$system-$dtype
    run_part "$name" "$limit" bash tests/bench/peer_part.sh "$kind" "$system" "$dtype" "${given[@]}" </dev/null
  done < <(grep "^$kind " <<<"$jobs")
  # Results of earlier calls, with other --part, stand in the table as well.
  while read -r _ system dtype; do
    name=$kind-$system-$dtype
    if has_result "$name"; then results+=("$work/$name.md"); else unmeasured+=("$name"); fi
  done < <(python tests/bench/peers.py jobs "$kind")
done

{
  echo "**$about; $threads threads**"
  echo
  python tests/bench/peers.py table "${results[@]}"
  if ((${#unmeasured[@]})); then
    echo
    echo "Not measured: ${unmeasured[*]}"
  fi
} >"$out"
echo "peers.sh: the table is in $out"
exit "$failed"
