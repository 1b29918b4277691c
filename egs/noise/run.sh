#!/usr/bin/env bash
# Error rates in noise: recordings made in noisy places (FunAudio-ASR, table 4), or any set mixed with noise.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise by_language
