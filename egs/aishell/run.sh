#!/usr/bin/env bash
# Character error rate of the test set of AISHELL-1 (FireRedASR2S, table 6).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=aishell1
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
