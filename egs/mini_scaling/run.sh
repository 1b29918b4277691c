#!/usr/bin/env bash
# Four sizes of recognition and of the speech-LLM, as in table 3 of the FireRedASR paper, with and without progressive
# regularisation, at two learning rates, with several seeds: tiny models on synthetic digits.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

stage=0
stop_stage=4
nj=2
sizes="XS S M L"
rates="1e-3 3e-3"
seeds="1 2 3"
llm_seeds=
quick=false
dir=
python=

help_message="Usage: bash egs/mini_scaling/run.sh [options]

Stages: 0 corpus, 1 features and dictionary, 2 recognition (AED): every size, learning rate, seed, with constant and with
        progressive regularisation, 3 the speech-LLM on the encoders that did best on dev, 4 RESULTS.md

  --sizes \"NAME...\"            XS, S, M, L                                                       [$sizes]
  --rates \"RATE...\"            learning rates of AED                                             [$rates]
  --seeds \"SEED...\"            seeds                                                             [$seeds]
  --llm-seeds \"SEED...\"        those of the speech-LLMs, among these                             [all of them]
  --stage N, --stop-stage N    first and last stage to run; finished trainings are not done again, one that was
                               interrupted goes on                                               [$stage, $stop_stage]
  --nj N                       cores: 2 trains two models in parallel                            [$nj]
  --quick true|false           a tenth of the corpus, two sizes, one rate and seed, a few steps: does it all run? [$quick]
  --dir DIR                    where data/, exp/ and RESULTS.md are made
                               [this folder; with --quick true its folder quick]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths dir python
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

scale=1
short=() # ends a training early
if [ "$quick" = true ]; then
  scale=0.1 sizes="XS L" rates=1e-3 seeds=1
  short=(--set train.max_steps=4 --set train.eval_steps=4)
  dir=${dir:-$here/quick}
fi
mkdir -p "${dir:=$here}"
cd "$dir" # the paths in conf/ count from here
llm_seeds=${llm_seeds:-$seeds}
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

declare -A width=([XS]=16 [S]=32 [M]=64 [L]=96)
llm=$TOP/egs/mini/models/FireRedASR2-LLM/Qwen2-7B-Instruct

own() { # own <script> <words...>: of this recipe, which has those of egs/mini at hand
  PYTHONPATH=$TOP/egs/mini/local${PYTHONPATH:+:$PYTHONPATH} python "$here/local/$1" "${@:2}"
}

# model <name> <settings...>: trained into exp/<name>, test decoded to exp/decode/<name>.
model() {
  local name=$1 kind=${1%%/*}
  shift
  if [ -s "exp/decode/$name/text" ]; then return; fi
  task "train_${name//\//_}" firered-train "$here/conf/$kind.yaml" ${short+"${short[@]}"} --set "out=exp/$name" "$@"
  task "decode_${name//\//_}" firered-asr --type "$kind" --model "exp/$name" --num-threads 1 data/test "exp/decode/$name"
}

# part_of_all <part> <function>: calls it for all or, with two in parallel, half of the lines of input.
part_of_all() {
  local number=0 line
  while read -ra line; do
    number=$((number + 1))
    if [ "$nj" -lt 2 ] || [ $((number % 2)) -eq "$1" ]; then "$2" "${line[@]}" </dev/null; fi
  done
}

all_aed() { # one a line, seed by seed, so that an interrupted run has all of a seed
  local size kind rate seed
  for seed in $seeds; do
    for size in $sizes; do
      for kind in constant progressive; do
        for rate in $rates; do echo "$size $kind $rate $seed"; done
      done
    done
  done
}
one_aed() { # one_aed <size> <constant|progressive> <rate> <seed>
  local by=none
  if [ "$2" = progressive ]; then by=steps; fi
  model "aed/$1-$2-$3-seed$4" --set "model.d_model=${width[$1]}" --set "progressive.by=$by" --set "optim.lr=$3" \
    --set "train.seed=$4"
}
aed_odd() { all_aed | part_of_all 1 one_aed; }
aed_even() { if [ "$nj" -gt 1 ]; then all_aed | part_of_all 0 one_aed; fi; }

one_llm() { # one_llm <size> <setting> <seed>: on the encoder of that setting and seed
  model "llm/$1-$2-seed$3" --set "model.encoder=exp/aed/$1-$2-seed$3" --set "model.llm=$llm" --set "train.seed=$3"
}
llm_odd() { part_of_all 1 one_llm <exp/best; }
llm_even() { if [ "$nj" -gt 1 ]; then part_of_all 0 one_llm <exp/best; fi; }

if in_stage 0 "corpus -> data"; then
  if [ "$(cat data/scale 2>/dev/null)" != "$scale" ]; then
    task corpus own make_set.py --nj "$nj" --scale "$scale" data
    echo "$scale" >data/scale
  fi
fi

if in_stage 1 "features -> fbank, dictionary -> exp/tokens"; then
  for name in train dev; do task "fbank_$name" firered-fbank "data/$name" "fbank/$name"; done
  task tokens firered-tokens data/train exp/tokens --pieces 40
fi

if in_stage 2 "recognition -> exp/aed"; then both aed_odd aed_even; fi

if in_stage 3 "speech-LLMs -> exp/llm"; then
  own results.py best exp --sizes "$sizes" --seeds "$seeds" --llm-seeds "$llm_seeds" >exp/best
  both llm_odd llm_even
fi

if in_stage 4 "RESULTS.md"; then
  own results.py table data/test exp RESULTS.md --sizes "$sizes" --seeds "$seeds" --llm-seeds "$llm_seeds"
  cat RESULTS.md
fi
