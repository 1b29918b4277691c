#!/usr/bin/env bash
# AISHELL-1 from nothing: a Conformer of 46 M parameters, with joint CTC/attention and in the papers' way, and a speech-LLM.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
train_sets=aishell1-train
dev_sets=aishell1-dev
test_sets="aishell1-dev aishell1"
anchors=aishell1
systems="joint paper llm"
# shellcheck source=egs/common/train.sh
. "$recipe/../common/train.sh"
