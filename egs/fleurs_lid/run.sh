#!/usr/bin/env bash
# Accuracy of languages on the test sets of FLEURS (FireRedASR2S, table 4); which: tables/languages.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=fleurs-lid
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
identify language
