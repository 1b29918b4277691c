#!/usr/bin/env bash
# Frame-level scores of the VAD on FLEURS-VAD-102 (FireRedASR2S, table 3), with labels of your own.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=fleurs-vad-102
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
detect
