#!/usr/bin/env bash
# What a model forgets: that of egs/mini, which knows synthetic speech, is fine-tuned on real digits, without old data and
# with a share of it in every epoch; both are tested on old and new speech.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

stage=1
stop_stage=3
nj=2
new=$here/data/official
old=$TOP/egs/mini/data
model=$TOP/egs/mini/models/FireRedASR2-AED
share=0.5
dir=$here/finetune
python=

help_message="Usage: bash egs/fsdd/finetune.sh [options]

Stages: 1 fine-tuning, 2 decoding and scores, 3 FORGETTING.md

  --new DIR                    train, dev and test of the new speech                             [data/official, of run.sh]
  --old DIR                    train and test of the old speech; run.sh of egs/mini makes it     [egs/mini/data]
  --model DIR                  the model, which was trained on the old speech                    [egs/mini/models/FireRedASR2-AED]
  --share S                    share of old speech in the hours of every epoch                   [$share]
  --stage N, --stop-stage N    first and last stage to run; finished trainings are not done again [$stage, $stop_stage]
  --nj N                       cores: 2 trains two models in parallel                            [$nj]
  --dir DIR                    where exp/ and FORGETTING.md are made                             [finetune, in this folder]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths new old model dir python
new=$(realpath "$new") old=$(realpath "$old") model=$(realpath "$model")
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
mkdir -p "$dir"
cd "$dir"
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

finetune() { # finetune <name> [options]
  local name=$1
  shift
  task "train_$name" firered-train "$here/conf/aed_finetune.yaml" --set "out=exp/$name" --set "model.init=$model" \
    --set "data.train=$new/train" --set "data.dev=$new/dev" "$@"
}
plain() { finetune plain; }
mixed() { finetune mixed --mix "$old/train:$share"; }

try_model() { # try_model <name> <directory> <name in the table>
  local set
  for set in old new; do
    task "decode_$1_$set" firered-asr --num-threads 1 --model "$2" "${!set}/test" "exp/decode/$1_$set"
    task "score_$1_$set" firered-score --test-set "$set" --system "$3" --model "$2" "${!set}/test" "exp/decode/$1_$set" \
      "exp/score/$1_$set"
  done
}

if in_stage 1 "fine-tuning -> exp"; then both plain mixed; fi

if in_stage 2 "decoding and scores -> exp/decode, exp/score"; then
  try_model before "$model" "before"
  try_model plain exp/plain "fine-tuned"
  try_model mixed exp/mixed "fine-tuned with --mix old:$share"
fi

if in_stage 3 "FORGETTING.md"; then
  firered-table --title "What a model forgets" exp/score FORGETTING.md
  cat FORGETTING.md
fi
