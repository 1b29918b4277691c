#!/usr/bin/env bash
# Precision, recall and F1 of punctuation (FireRedASR2S, table 5), on texts of your own.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
punctuate
