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
# shellcheck disable=SC2034 # path.sh reads it
firered_extras="test"
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
# shellcheck source=tests/bench/parts.sh
. "$TOP/tests/bench/parts.sh"

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
stamp="$about; code $(code_of), size $size, modes $modes${option:+, $option}${threads:+, $threads threads}"
echo "$stamp"

if [[ "$device" == cpu ]]; then
  aed_dtypes=float32,int8 llm_dtypes=int8,int4 fun_asr_dtype=float32 threads=${threads:-1}
else
  aed_dtypes=float16,bfloat16 llm_dtypes=bfloat16 fun_asr_dtype=bfloat16 threads=${threads:-$(nproc)}
fi
# gpu_part.sh reads these
export PYTHONPATH=$TOP${PYTHONPATH:+:$PYTHONPATH} FIRERED_DEVICE=$device OMP_NUM_THREADS=$threads
export device size modes option threads scratch aed_dtypes llm_dtypes fun_asr_dtype

limit_of() { # the longest that a part may take, in seconds
  case $1 in parity) echo 240 ;; aed) echo 600 ;; llm) echo 300 ;; fun_asr) echo 150 ;; vad) echo 90 ;; esac
}

for name in ${part:-$parts}; do
  run_part "$name" "$(limit_of "$name")" bash tests/bench/gpu_part.sh "$name"
done
# shellcheck disable=SC2086 # words
{ echo "**$about**"; show_parts $parts; } >"$out"
echo "gpu.sh: the table is in $out"
exit "$failed"
