#!/usr/bin/env bash
# Recognition from nothing on WenetSpeech's subset L, 10,005 hours; whose transcripts: --prepare-options.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=ws-l
dev_sets=ws-dev
test_sets="ws-dev ws-net ws-meeting"
anchors=wenetspeech-l
settings=l
systems=joint
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
