#!/usr/bin/env bash
# Recognition from nothing on the 100 hours of train-clean-100; the README says what else is trained here.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=librispeech-train-clean-100
dev_sets="librispeech-dev-clean librispeech-dev-other"
test_sets="librispeech-test-clean librispeech-test-other"
anchors=librispeech-100
settings=100
systems=joint
pieces=5000
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
