#!/usr/bin/env bash
# Language identification on a recogniser's encoder: languages of FLEURS, Chinese dialects of KeSpeech and MagicHub.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$recipe/../.." && pwd)
fleurs=
kespeech=
magichub=
aed=
models=
most=20000
allow_missing=false
dir=exp/lid_train
settings=.
train_options=
stage=0
stop_stage=4
nj=1
ngpu=1
python=

help_message="Usage: bash egs/lid/train.sh --fleurs DIR --kespeech DIR [--magichub DIR] --aed DIR [options]

Stages: 0 data directories; 1 training; 2 identification of the test sets; 3 scores; 4 RESULTS.md

  --fleurs DIR                 FLEURS, with its train, dev and test sets       [needed in stage 0]
  --kespeech DIR               KeSpeech                                        [needed in stage 0]
  --magichub DIR               corpora of MagicHub, as for egs/magichub
  --aed DIR                    recognition model whose encoder is taken        [needed in stage 1]
  --most N                     utterances of each label in training            [$most]
  --allow-missing true|false   leave out utterances that lack audio            [$allow_missing]
  --models DIR                 released models: rows of FireRedLID on the same test sets
  --dir DIR                    where everything is written                     [$dir]
  --settings FOLDER            of conf/ of the recipe: one YAML file a training  [conf/ itself]
  --train-options \"SECTION.NAME=VALUE...\"
                               changes of the settings, as firered-train --set
  --stage N, --stop-stage N    first and last stage to run; what is finished is not done again  [$stage, $stop_stage]
  --nj N                       from 2 on two test sets side by side            [$nj]
  --ngpu N                     GPUs of the training; 0: the processor          [$ngpu]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck disable=SC2034 # modules.sh reads it
own_paths="fleurs kespeech magichub aed models"
# shellcheck source=egs/common/modules.sh
. "$TOP/egs/common/modules.sh"

if [ "$stage" -le 0 ] && { [ -z "$fleurs" ] || [ -z "$kespeech" ]; }; then fail "--fleurs and --kespeech: stage 0 needs both"; fi
if [ "$stage" -le 1 ] && [ "$stop_stage" -ge 1 ] && [ -z "$aed" ]; then fail "--aed: stage 1 needs a recognition model"; fi
missing=()
if [ "$allow_missing" = true ]; then missing=(--allow-missing); fi

identified() { # identified <set> <folder> <model>
  task "decode_$2_$1" firered-lid --model "$3" "data/$1/data" "exp/decode/$2/$1"
}
languages() { each_system identified fleurs-lid; }
dialects() { each_system identified lid-dialects; }

each_system() { # each_system <function> <set>
  "$1" "$2" lid exp/lid
  if [ -n "$models" ]; then "$1" "$2" released "$models"; fi
}

# Both sets as one: what was found in each.
both_sets() { # both_sets <set> <folder> <model>
  local table
  mkdir -p "exp/decode/$2/$1"
  for table in utt2lang utt2lang_conf; do
    LC_ALL=C sort "exp/decode/$2/fleurs-lid/$table" "exp/decode/$2/lid-dialects/$table" >"exp/decode/$2/$1/$table"
  done
}

scored() { # scored <set> <folder> <model>
  local level=label name="LID trained here" set=$1
  if [ "$settings" != . ]; then set=$settings-$1; fi # a sample's sets are not those of the papers' tables
  if [ "$1" = fleurs-lid ]; then level=language; fi
  if [ "$2" = released ]; then name=FireRedLID; fi
  task "score_$2_$1" firered-score lid --level "$level" --test-set "$set" --system "$name" "data/$1/data" \
    "exp/decode/$2/$1" "exp/score/$2/$1"
}

if in_stage 0 "corpora -> data"; then
  task prepare python "$recipe/local/prepare.py" --most "$most" ${missing+"${missing[@]}"} \
    ${magichub:+--magichub "$magichub"} "$fleurs" "$kespeech" data
  grep -E 'warning|utterances in' exp/log/prepare.log || true
fi

if in_stage 1 "training -> exp/lid"; then
  trained lid "$conf/lid.yaml" data.train=data/lid-train/data data.dev=data/lid-dev/data "model.encoder=$aed"
fi

if in_stage 2 "identification -> exp/decode"; then
  both languages dialects
  each_system both_sets lid-test
fi

if in_stage 3 "scores -> exp/score"; then
  rm -rf exp/score # of systems that are not asked for any more
  for name in fleurs-lid lid-dialects lid-test; do each_system scored "$name"; done
fi

if in_stage 4 "RESULTS.md"; then results "Results of egs/lid"; fi
