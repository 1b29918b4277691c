#!/usr/bin/env bash
# Hotwords: LibriSpeech with the biasing lists of Le et al. (2021).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="librispeech-test-clean-100 librispeech-test-other-100"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${english[@]}"
