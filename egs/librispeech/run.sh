#!/usr/bin/env bash
# Word error rates of the test sets of LibriSpeech (FireRedASR, table 5).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="librispeech-test-clean librispeech-test-other"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${english[@]}"
