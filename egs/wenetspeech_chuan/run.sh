#!/usr/bin/env bash
# Character error rates of the test sets of WenetSpeech-Chuan, Sichuanese (FireRedASR2S, table 6).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="ws-chuan-easy ws-chuan-hard"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
