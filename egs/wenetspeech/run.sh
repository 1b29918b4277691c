#!/usr/bin/env bash
# Character error rates of the test sets of WenetSpeech (FireRedASR2S, table 6).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="ws-net ws-meeting"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
