#!/usr/bin/env bash
# Recognition of real speech trained from scratch: the Free Spoken Digit Dataset, 3,000 digits of six people, on its
# official split and on six more, each of which tests on a speaker who is not in training.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

stage=0
stop_stage=4
nj=2
corpus=
splits=
dir=$here
python=

help_message="Usage: bash egs/fsdd/run.sh [options]

Stages: 0 corpus and data directories, 1 dictionary, 2 training, 3 decoding and scores, 4 RESULTS.md

  --corpus DIR                 a copy of free-spoken-digit-dataset; by default it is fetched with git
  --splits \"NAME...\"           official, without_<speaker>                                     [all]
  --stage N, --stop-stage N    first and last stage to run; finished trainings are not done again [$stage, $stop_stage]
  --nj N                       cores: 2 trains two models in parallel                            [$nj]
  --dir DIR                    where data/, exp/ and RESULTS.md are made                         [this folder]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=egs/common/paths.sh
. "$TOP/egs/common/paths.sh"
plain_paths corpus dir python
if [ -n "$corpus" ]; then corpus=$(realpath "$corpus"); fi
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
mkdir -p "$dir"
cd "$dir" # the paths in conf/ count from here

# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

train() { # train <split>...
  local split
  for split in "$@"; do
    task "train_$split" firered-train "$here/conf/aed.yaml" \
      --set "out=exp/$split" --set "data.train=data/$split/train" --set "data.dev=data/$split/dev"
  done
}

test_split() { # test_split <split>: with its model
  task "decode_$1" firered-asr --model "exp/$1" "data/$1/test" "exp/decode/$1"
  task "score_$1" firered-score --test-set "$1" --system "AED trained here" --model "exp/$1" \
    "data/$1/test" "exp/decode/$1" "exp/score/$1"
}

if in_stage 0 "corpus -> data"; then
  if [ -z "$corpus" ]; then
    corpus=data/corpus
    if [ ! -d "$corpus" ]; then
      git clone --depth 1 https://github.com/Jakobovski/free-spoken-digit-dataset.git "$corpus"
    fi
  fi
  python "$here/local/prepare.py" "$corpus" data
fi

if [ -z "$splits" ]; then splits=$(cd data && printf '%s\n' */test | xargs dirname | tr '\n' ' '); fi
read -ra splits <<<"$splits"
first=() second=() # trained in parallel
for split in "${splits[@]}"; do
  if [ "${#first[@]}" -le "${#second[@]}" ]; then first+=("$split"); else second+=("$split"); fi
done
train_first() { train "${first[@]}"; }
train_second() { train ${second+"${second[@]}"}; }

if in_stage 1 "dictionary -> exp/tokens"; then
  task tokens firered-tokens "data/${splits[0]}/train" exp/tokens --pieces 40
fi

if in_stage 2 "training on ${#splits[@]} splits -> exp"; then both train_first train_second; fi

if in_stage 3 "decoding and scores -> exp/decode, exp/score"; then
  for split in "${splits[@]}"; do test_split "$split"; done
fi

if in_stage 4 "RESULTS.md"; then
  firered-table --title "Results of egs/fsdd" exp/score RESULTS.md
  cat RESULTS.md
fi
