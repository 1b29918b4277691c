#!/usr/bin/env bash
# Frame-level scores of voice activity on TEN's open test set.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=ten-vad
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
detect
