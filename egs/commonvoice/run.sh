#!/usr/bin/env bash
# Error rates of the test sets of Common Voice in five languages (FunAudio-ASR, table 7); which: tables/sets.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise by_language
