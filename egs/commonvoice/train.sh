#!/usr/bin/env bash
# Recognition of one language of Common Voice from nothing: Chinese, or that of the sets that are named.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=commonvoice-zh-train
dev_sets=commonvoice-zh-dev
test_sets=commonvoice-zh
systems=joint
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
