#!/usr/bin/env bash
# Recognition from nothing on the 1,000 hours of AISHELL-2's iOS channel.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=aishell2-train
dev_sets=aishell2-dev
test_sets="aishell2-dev aishell2"
anchors=aishell2
systems=joint
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
