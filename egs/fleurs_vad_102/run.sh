#!/usr/bin/env bash
# Frame-level scores of the VAD on FLEURS-VAD-102 (FireRedASR2S, table 3), with labels of your own; --annotate begins them.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=fleurs-vad-102
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"

if [ -n "$annotate" ]; then
  work=$exp/annotate
  python "$recipe/local/annotate.py" draw "$corpus" "$annotate" "$work"
  attend firered-vad --model "${model:-$models}" "$work/data" "$work/vad"
  python "$recipe/local/annotate.py" write "$corpus" "$annotate" "$work"
  exit
fi
detect
