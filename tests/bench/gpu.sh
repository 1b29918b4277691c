#!/usr/bin/env bash
# What a GPU gives: parity with the published system on it, then speed and memory at the published sizes with random
# weights. One Markdown table comes out. 20 minutes at most, set-up included (where that has to install torch, call
# utils/setup.sh test before).
#
#     bash tests/bench/gpu.sh [--part parity|aed|llm|fun_asr|vad] [--device cuda] [--size L] [--out gpu.md]
#     bash tests/bench/gpu.sh --device cpu --size XS          tries all of it where there is no GPU, in minutes
#
#   --part      one part only; default all
#   --device    cuda, cuda:N or cpu
#   --size      of the AED and of the LLM variant's encoder: XS, S, M, L. XS takes small shapes of the other models
#               as well, and less audio
#   --modes     ways to decode the job of AED: all that firered-asr's --mode offers, or names with commas between
#   --option    NAME=VALUE of another option of recognition, for the job of AED
#   --threads   of the processor [all; 1 with --device cpu]
#   --minutes   in which all is done [20]; parts that no time is left for are done by the next call
#   --work      results of the parts [gpu_parts]. A part that has its result there from this code, card and size is
#               skipped; one that failed or was cut off is done again
#   --out       the table, made of all results [gpu.md]
#   --python    an environment of your own; without it .venv is set up

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
TOP=$PWD

part=
device=cuda
size=L
modes=all
option=
threads=
minutes=20
work=gpu_parts
out=gpu.md
python=
help_message=$(sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}")

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"

parts="parity aed llm fun_asr vad"
if [[ -n "$part" && " $parts " != *" $part "* ]]; then
  echo "gpu.sh: --part $part: there are $parts" >&2
  exit 2
fi
if [[ ! "$minutes" =~ ^[0-9]+$ ]]; then
  echo "gpu.sh: --minutes $minutes: not a whole number" >&2
  exit 2
fi
# shellcheck disable=SC2034 # path.sh reads it
firered_extras="test"
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
mkdir -p "$work"
work=$(cd "$work" && pwd)
scratch=$work/scratch
trap 'rm -rf "$scratch"' EXIT # what a part that was cut off has left there

about=$(python - "$device" <<'END'
import platform
import sys

import torch

import firered

device = torch.device(sys.argv[1])
if device.type == "cuda":
    if not torch.cuda.is_available():
        sys.exit("gpu.sh: torch sees no CUDA device; --device cpu --size XS tries the script without one")
    card = torch.cuda.get_device_properties(device)
    name = f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
else:
    name = f"{platform.machine()} processor"
print(f"{name}; torch {torch.__version__}, firered {firered.__version__}, Python {platform.python_version()}")
END
)
# Results of other code, another card or other options are no results of this call.
code=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
if ! git diff --quiet HEAD 2>/dev/null; then code+="-$(git diff HEAD | cksum | cut -d ' ' -f 1)"; fi
stamp="$about; code $code, size $size, modes $modes${option:+, $option}${threads:+, $threads threads}"
echo "$stamp"

if [[ "$device" == cpu ]]; then
  aed_dtypes=float32,int8 llm_dtype=float32 threads=${threads:-1}
else
  aed_dtypes=float16,bfloat16 llm_dtype=bfloat16 threads=${threads:-$(nproc)}
fi
# gpu_part.sh reads these
export PYTHONPATH=$TOP${PYTHONPATH:+:$PYTHONPATH} FIRERED_DEVICE=$device OMP_NUM_THREADS=$threads
export device size modes option threads scratch aed_dtypes llm_dtype

limit_of() { # the longest that a part may take, in seconds
  case $1 in parity) echo 240 ;; aed) echo 420 ;; llm) echo 300 ;; fun_asr) echo 150 ;; vad) echo 90 ;; esac
}

failed=0
for name in ${part:-$parts}; do
  result=$work/$name.md
  if [[ -f "$result" && "$(head -n 1 "$result")" == "<!-- $stamp -->" ]]; then
    echo "gpu.sh: $name is done: $result"
    continue
  fi
  left=$((minutes * 60 - SECONDS))
  limit=$(limit_of "$name")
  if ((limit > left)); then limit=$left; fi
  if ((limit < 20)); then
    echo "gpu.sh: $name is not begun, the $minutes minutes are over; the same command goes on with it" >&2
    failed=1
    continue
  fi
  echo "gpu.sh: $name (at most $limit s)"
  rm -f "$result"
  echo "<!-- $stamp -->" >"$result.new"
  mkdir -p "$scratch"
  begun=$SECONDS status=0
  attend timeout --kill-after 10 "$limit" bash tests/bench/gpu_part.sh "$name" "$result.new" || status=$?
  took=$((SECONDS - begun))
  rm -rf "$scratch"
  if ((status == 0)); then
    mv "$result.new" "$result"
    rm -f "$result.failed"
    echo "gpu.sh: $name took $took s"
  else
    failed=1
    reason="failed with status $status"
    if ((status == 124 || status == 137)); then reason="was cut off at its limit of $limit s"; fi
    { echo; echo "($name $reason; the rows above are those that were done.)"; } >>"$result.new"
    mv "$result.new" "$result.failed"
    echo "gpu.sh: $name $reason; the same command does it again" >&2
  fi
done

{
  echo "**$about**"
  for name in $parts; do
    for result in "$work/$name.md" "$work/$name.md.failed"; do
      if [[ -f "$result" && "$(head -n 1 "$result")" == "<!-- $stamp -->" ]]; then
        echo
        tail -n +2 "$result"
        break
      fi
    done
  done
} >"$out"
echo "gpu.sh: the table is in $out"
exit "$failed"
