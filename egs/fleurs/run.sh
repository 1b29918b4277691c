#!/usr/bin/env bash
# Word error rate of the English test set of FLEURS (FunAudio-ASR, tables 1 and 7).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=fleurs-en
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${english[@]}"
