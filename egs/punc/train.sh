#!/usr/bin/env bash
# Punctuation from a BERT or LERT, on texts of your own by language and domain; whole documents are held out.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$recipe/../.." && pwd)
corpus=
bert=
models=
dir=exp/punc_train
settings=.
train_options=
stage=0
stop_stage=4
nj=1
ngpu=1
python=

help_message="Usage: bash egs/punc/train.sh --corpus DIR --bert DIR [options]

Stages: 0 sets of whole documents; 1 training; 2 punctuation of the test sets; 3 scores; 4 RESULTS.md

  --corpus DIR                 <language>/<domain>/<document>.txt, a text a line; languages are zh, en [needed in stage 0]
  --bert DIR                   BERT or LERT that training starts from: config.json, vocab.txt, weights; without it, and with
                               --settings sample, a small model from nothing
  --models DIR                 released models: rows of FireRedPunc on the same test sets
  --dir DIR                    where everything is written                    [$dir]
  --settings FOLDER            of conf/ of the recipe: one YAML file a training  [conf/ itself]
  --train-options \"SECTION.NAME=VALUE...\"
                               changes of the settings, as firered-train --set
  --stage N, --stop-stage N    first and last stage to run; what is finished is not done again  [$stage, $stop_stage]
  --nj N                       for all recipes alike; nothing here is done in parallel  [$nj]
  --ngpu N                     GPUs of the training; 0: the processor         [$ngpu]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck disable=SC2034 # modules.sh reads it
own_paths="corpus bert models"
# shellcheck source=egs/common/modules.sh
. "$TOP/egs/common/modules.sh"

if [ "$stage" -le 0 ] && [ -z "$corpus" ]; then fail "--corpus: stage 0 needs it"; fi
if [ "$stage" -le 1 ] && [ "$stop_stage" -ge 1 ] && [ -z "$bert" ] && grep -q '\bbert:' "$conf/punc.yaml"; then
  fail "--bert: $conf/punc.yaml starts from a BERT or LERT; --settings sample from nothing"
fi

# each_set <function> <system> <folder> <model>: of every test set.
each_set() {
  local sets set
  mapfile -t sets <data/sets
  for set in "${sets[@]}"; do "$1" "$set" "${@:2}"; done
}

punctuate() { # punctuate <set> <system> <folder> <model>
  task "decode_$3_$1" firered-punc --model "$4" --format kaldi "data/$1/plain/text" "exp/decode/$3/$1"
}

scored() { # scored <set> <system> <folder> <model>
  task "score_$3_$1" firered-score punc --test-set "$1" --system "$2" "data/$1" "exp/decode/$3/$1" "exp/score/$3/$1"
}

if in_stage 0 "documents -> data"; then
  task prepare python "$recipe/local/prepare_train.py" "$corpus" data
  cat exp/log/prepare.log
fi

if in_stage 1 "training -> exp/punc"; then
  trained punc "$conf/punc.yaml" data.train=data/train data.dev=data/dev ${bert:+"model.bert=$bert"}
fi

if in_stage 2 "punctuation -> exp/decode"; then
  each_set punctuate "Punc trained here" punc exp/punc
  if [ -n "$models" ]; then each_set punctuate FireRedPunc released "$models"; fi
fi

if in_stage 3 "scores -> exp/score"; then
  rm -rf exp/score # of systems that are not asked for any more
  each_set scored "Punc trained here" punc exp/punc
  if [ -n "$models" ]; then each_set scored FireRedPunc released "$models"; fi
fi

if in_stage 4 "RESULTS.md"; then
  python "$recipe/local/table.py" exp/score exp/by_language.md
  results "Results of egs/punc" exp/by_language.md
fi
