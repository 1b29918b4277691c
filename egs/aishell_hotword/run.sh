#!/usr/bin/env bash
# Hotwords: the named-entity subsets of AISHELL-1 of SeACo-Paraformer (Shi et al., 2023, tables 2 and 3).

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets="test-aishell1-ne dev-aishell1-ne"
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
recognise "${chinese[@]}"
