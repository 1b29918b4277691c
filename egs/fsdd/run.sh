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
streaming=false
models=
dir=$here
python=

help_message="Usage: bash egs/fsdd/run.sh [options]

Stages: 0 corpus and data directories, 1 dictionary, 2 training, 3 decoding and scores, 4 RESULTS.md

  --corpus DIR                 a copy of free-spoken-digit-dataset; by default it is fetched with git
  --splits \"NAME...\"           official, without_<speaker>                                     [all]
  --streaming true|false       also a model that streams, of the official split: 6 minutes more, in stages 2 to 4 [$streaming]
  --models DIR                 holds the streaming VAD of its live rows, FireRedVAD/Stream-VAD  [egs/mini/models]
  --stage N, --stop-stage N    first and last stage to run; finished trainings are not done again [$stage, $stop_stage]
  --nj N                       cores: 2 trains two models in parallel                            [$nj]
  --dir DIR                    where data/, exp/ and RESULTS.md are made                         [this folder]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths corpus dir models python
models=$(realpath "${models:-$TOP/egs/mini/models}")
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

# The official split in chunks of so many seconds; 60 s hold any digit, so that there is one chunk.
streamed=exp/official_stream
train_stream() {
  task train_stream firered-train "$here/conf/aed_stream.yaml" --set "out=$streamed" --set model.init=exp/official \
    --set data.train=data/official/train --set data.dev=data/official/dev
}

score_stream() { # score_stream <folder> <words of the system's name>
  task "score_$1" firered-score --test-set official --system "AED in chunks trained here$2" --model "$streamed" \
    data/official/test "exp/decode/$1" "exp/streaming/$1"
}

decode_stream() {
  local name
  task decode_stream_offline firered-asr --model "$streamed" data/official/test exp/decode/stream_offline
  for name in 0.32 0.64 60; do
    task "decode_stream_$name" firered-asr --model "$streamed" --streaming --mode ctc_prefix --chunk-seconds "$name" \
      data/official/test "exp/decode/stream_$name"
  done
  task decode_live firered live --models "$models" --asr-type aed --asr-model "$streamed" --no-lid --no-punc \
    --chunk-s 0.32 --behind-s inf data/official/test -o exp/decode/live
  score_stream stream_offline ""
  for name in 0.32 0.64; do score_stream "stream_$name" " streaming $name s"; done
  score_stream stream_60 " streaming full"
  score_stream live " live final"
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

if in_stage 2 "training on ${#splits[@]} splits -> exp"; then
  both train_first train_second
  if [ "$streaming" = true ]; then train_stream; fi
fi

if in_stage 3 "decoding and scores -> exp/decode, exp/score"; then
  for split in "${splits[@]}"; do test_split "$split"; done
  if [ "$streaming" = true ]; then decode_stream; fi
fi

if in_stage 4 "RESULTS.md"; then
  firered-table --title "Results of egs/fsdd" exp/score RESULTS.md
  if [ -d exp/streaming ]; then
    firered-table --title "Recognition that streams" exp/streaming exp/streaming.md
    { echo && sed 's/^#/##/' exp/streaming.md; } >>RESULTS.md
  fi
  cat RESULTS.md
fi
