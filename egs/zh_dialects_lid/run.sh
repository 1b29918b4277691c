#!/usr/bin/env bash
# Accuracy of Chinese dialects on KeSpeech and MagicHub (FireRedASR2S, table 4); which is which: tables/labels.tsv.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sets=zh-dialects-lid
# shellcheck source=egs/common/recipe.sh
. "$recipe/../common/recipe.sh"
identify label
