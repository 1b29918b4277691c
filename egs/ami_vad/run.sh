#!/usr/bin/env bash
# Frame-level scores of the released VAD on excerpts of AMI meetings.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=ami
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
detect
