#!/usr/bin/env bash
# Recognition from nothing on Mandarin and eight of its subdialects, 1,500 hours.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets="kespeech-train-phase1 kespeech-train-phase2"
dev_sets="kespeech-dev-phase1 kespeech-dev-phase2"
test_sets="kespeech-dev-phase1 kespeech-dev-phase2 kespeech"
anchors=kespeech
systems=joint
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
