#!/usr/bin/env bash
# Character error rates of the dialect corpora of MagicHub (FireRedASR2S, table 6); which: tables/sets.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
