#!/usr/bin/env bash
# Character error rate of the test set of AISHELL-2 (FireRedASR2S, table 6); other channels: tables/channels.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=aishell2
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
