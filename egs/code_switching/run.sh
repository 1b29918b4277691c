#!/usr/bin/env bash
# Mixed error rate of Chinese with English in it (FunAudio-ASR, table 5, set A); which part of it: tables/part.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=code-switch-a
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
