#!/usr/bin/env bash
# Recognition from nothing on WenetSpeech's subset M, 1,000 hours; whose transcripts: --prepare-options.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=ws-m
dev_sets=ws-dev
test_sets="ws-dev ws-net ws-meeting"
anchors=wenetspeech-m
settings=m
systems=joint
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
