#!/usr/bin/env bash
# Recognition from nothing on all 960 hours.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets="librispeech-train-clean-100 librispeech-train-clean-360 librispeech-train-other-500"
dev_sets="librispeech-dev-clean librispeech-dev-other"
test_sets="librispeech-test-clean librispeech-test-other"
anchors=librispeech-960
settings=960
systems=joint
pieces=5000
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
