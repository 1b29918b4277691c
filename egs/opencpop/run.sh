#!/usr/bin/env bash
# Character error rate of the singing of the test set of Opencpop (FireRedASR2S, table 6).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=opencpop
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
