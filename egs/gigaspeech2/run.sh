#!/usr/bin/env bash
# Error rates of the test sets of GigaSpeech 2 in Indonesian, Thai and Vietnamese (FunAudio-ASR, table 7).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise by_language
