#!/usr/bin/env bash
# Error rates of the test sets of FLEURS, of Chinese and English if no others are named (FunAudio-ASR, tables 1 and 7).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="fleurs-zh fleurs-en"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise by_language
