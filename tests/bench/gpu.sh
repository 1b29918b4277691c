#!/usr/bin/env bash
# What a GPU gives: parity with the published system on it, and the speed of recognition. One Markdown table comes out.
#
#     bash tests/bench/gpu.sh [--part parity|aed] [--device cuda] [--size L] [--out gpu.md] [--python bin/python]
#
#   --part      one part only; default both
#   --device    cuda, or cpu to try the script where there is no GPU (take --size XS then)
#   --size      of the recognition model: XS, S, M, L
#   --largest   batches double up to this size, or until the memory is full [1024; 4 on cpu]
#   --out       the table [gpu.md]
#   --python    an environment of your own; without it .venv is set up

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
TOP=$PWD

part=
device=cuda
size=L
largest=
out=gpu.md
python=
help_message=$(sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}")

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
if [ -n "$python" ]; then
  PATH=$(dirname "$(command -v "$python")"):$PATH # nothing is installed into an environment of one's own
else
  # shellcheck disable=SC2034 # path.sh reads it
  firered_extras="test"
  # shellcheck source=utils/path.sh
  . "$TOP/utils/path.sh"
fi

dtypes=float16,bfloat16
if [ "$device" = cpu ]; then dtypes=float32,int8; fi
largest=${largest:-$([ "$device" = cpu ] && echo 4 || echo 1024)}
export PYTHONPATH=$TOP${PYTHONPATH:+:$PYTHONPATH} FIRERED_DEVICE=$device
failed=0

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
echo "$about"
echo "**$about**" >"$out"

if [ -z "$part" ] || [ "$part" = parity ]; then
  log=$(mktemp)
  python -m pytest tests/parity/test_device.py -p no:cacheprovider -v 2>&1 | tee "$log" || failed=1
  { echo; echo "Parity with the published system on $device (\`tests/parity/test_device.py\`): $(tail -n 1 "$log" | tr -d '=')"; } >>"$out"
  rm -f "$log"
fi

if [ -z "$part" ] || [ "$part" = aed ]; then
  {
    echo
    echo "Recognition, size $size, random weights, utterances of 10 s that decode to 45 tokens at beam 3:"
    echo
    echo "| number format | steps | batch | encoder | search | real time factor | times real time | peak memory |"
    echo "|---|---|---|---|---|---|---|---|"
  } >>"$out"
  python tests/bench/asr_speed.py --device "$device" --size "$size" --dtypes "$dtypes" --batches auto \
    --largest "$largest" --no-prefix --markdown "$out" || failed=1
fi

echo "gpu.sh: the table is in $out"
exit "$failed"
