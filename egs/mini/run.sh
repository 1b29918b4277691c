#!/usr/bin/env bash
# Trains every module on a small corpus of synthetic speech that it makes itself, and scores them all: half an hour on
# two processor cores, without a network.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

stage=0
stop_stage=7
nj=2
lm_weight=0.1
streaming=false
joint=false
quick=false
dir=
python=

help_message="Usage: bash egs/mini/run.sh [options]

Stages: 0 corpus, 1 features and dictionary, 2 training of recognition (AED), in parallel of VAD, mVAD, streaming VAD,
        punctuation and language models, 3 of CTC and language identification, in parallel of the speech-LLM, then with
        --streaming of recognition that streams, without and with TrimTail in parallel, with --joint of the papers' way,
        4 models in the published layout, 5 decoding, 6 scores, 7 RESULTS.md

  --stage N, --stop-stage N    first and last stage to run; finished trainings are not done again [$stage, $stop_stage]
  --nj N                       cores: 2 trains two models in parallel                            [$nj]
  --lm-weight W                weight of the language model in fusion                           [$lm_weight]
  --streaming true|false       also recognition that streams: some two hours more                [$streaming]
  --joint true|false           also recognition in the papers' way, by cross-entropy alone and then a CTC head, to stand
                               beside \`aed\`, which is joint CTC/attention from the start: half an hour more  [$joint]
  --quick true|false           a fiftieth of the corpus and a few steps: does it all run?        [$quick]
  --dir DIR                    where data/, exp/, models/, test/ and RESULTS.md are made
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
llm_steps=()
if [ "$quick" = true ]; then
  scale=0.02
  short=(--set train.max_steps=6 --set train.eval_steps=3)
  llm_steps=(--steps 6)
  dir=${dir:-$here/quick}
fi
mkdir -p "${dir:=$here}"
cd "$dir" # the paths in conf/ count from here

# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

train() { task "train_$1" firered-train "$here/conf/$1.yaml" ${short+"${short[@]}"}; }

# What needs no other model.
recognition() {
  train aed_first
  train aed
  train aed_decoder
}
others() {
  train vad
  train mvad
  train stream_vad
  train punc
  task train_small_llm python "$TOP/egs/common/small_llm.py" data/lm_train exp/small_llm ${llm_steps+"${llm_steps[@]}"}
  train lm
}

# What builds on recognition.
heads() {
  train ctc
  task align_dev firered-align --num-threads 1 --model exp/ctc data/dev data/dev/text exp/align_dev
  task ctc_lead python "$TOP/egs/common/set_ctc_lead.py" data/dev/ctm exp/align_dev/ctm exp/ctc
  train lid
}
speech_llm() {
  train llm_first
  train llm
}

# train_streaming <suffix> [settings...]: recognition that streams, from `aed`, with settings of encoder and CTC head.
train_streaming() {
  local suffix=$1 name from=exp/aed own
  shift
  for name in aed_stream aed_stream_decoder ctc_stream; do
    own=("$@")
    if [ "$name" = aed_stream_decoder ]; then own=(); fi # it is told all that there is to hear
    task "train_$name$suffix" firered-train "$here/conf/$name.yaml" ${short+"${short[@]}"} --set "model.init=$from" \
      --set "out=exp/$name$suffix" ${own+"${own[@]}"}
    from=exp/$name$suffix
  done
  task "align_stream$suffix" firered-align --num-threads 1 --model "$from" data/dev data/dev/text "exp/align_stream$suffix"
  task "lead_stream$suffix" python "$TOP/egs/common/set_ctc_lead.py" data/dev/ctm "exp/align_stream$suffix/ctm" "$from"
}
streaming_plain() { train_streaming ""; }
streaming_trimmed() { train_streaming _trim --set data.trim_tail_ms=100; }

# The papers' way: the same settings as aed_first and aed, but cross-entropy alone, its regularisation raised when the dev
# loss stalls, and the CTC head afterwards. The other way is `aed` as it is, under the name joint, with its own head.
train_ways() {
  local name
  way paper_first aed_first --set model.ctc_weight=0
  way paper aed --set model.ctc_weight=0 --set model.init=exp/paper_first --set progressive.by=stall --set train.eval_steps=500
  way paper_ctc ctc --set model.init=exp/paper
  task same_paper python "$TOP/egs/common/same_weights.py" exp/paper exp/paper_ctc
  mkdir -p exp/joint
  cp exp/aed/{model.pth.tar,cmvn.ark,dict.txt,train_bpe1000.model} exp/joint
  for name in joint paper_ctc; do
    task "align_dev_$name" firered-align --num-threads 1 --model "exp/$name" data/dev data/dev/text "exp/align_dev_$name"
    task "lead_$name" python "$TOP/egs/common/set_ctc_lead.py" data/dev/ctm "exp/align_dev_$name/ctm" "exp/$name"
  done
}
way() { # way <name> <settings> <changes...>
  task "train_$1" firered-train "$here/conf/$2.yaml" --set "out=exp/$1" "${@:3}" ${short+"${short[@]}"}
}

decode_ways() {
  local name mode
  for name in joint paper_ctc; do
    for mode in attention ctc ctc_prefix rescore joint; do
      task "decode_${name}_$mode" firered-asr --num-threads 1 --model "exp/$name" --mode "$mode" data/test \
        "exp/decode/way_${name}_$mode"
    done
    task "align_$name" firered-align --num-threads 1 --model "exp/$name" data/test data/test/text "exp/decode/align_$name"
  done
}

# Of test: in chunks of 0.32 s, 0.64 s, and in one that holds any utterance.
decode_streaming() { # decode_streaming <suffix>
  local chunk
  for chunk in 0.32 0.64 60; do
    task "decode_stream$1_$chunk" firered-asr --num-threads 1 --model "exp/ctc_stream$1" --streaming --mode rescore \
      --chunk-seconds "$chunk" --timestamps pauses data/test "exp/decode/stream$1_$chunk"
  done
}
decode_streaming_plain() { decode_streaming ""; }
decode_streaming_trimmed() { decode_streaming _trim; }

decode() { # <name> <command...>: into exp/decode/<name>, given as the last word
  task "decode_$1" "${@:2}" --num-threads 1 --model models "exp/decode/$1"
}
decode_text() {
  decode aed firered-asr data/test
  decode aed_lm firered-asr --elm-dir models/lm --elm-weight "$lm_weight" data/test
  decode llm firered-asr --type llm data/test
}
decode_others() {
  decode align firered-align data/test data/test/text
  decode vad firered-vad data/vad_test
  decode stream_vad firered-stream-vad data/vad_test
  decode mvad firered-mvad data/vad_test
  decode lid firered-lid data/lid_test
  for name in test talk_test lid_test; do decode "vad_$name" firered-vad "data/$name"; done
  for name in test talk_test; do decode "cut_aed_$name" firered-asr "exp/decode/vad_$name"; done
  for name in lid_test talk_test; do decode "cut_lid_$name" firered-lid "exp/decode/vad_$name"; done
  decode punc firered-punc --strip data/punc_test/text
}

score() { # <name> <command...>: into exp/score/<name>, given as the last word
  task "score_$1" "${@:2}" "exp/score/$1"
}

if in_stage 0 "corpus -> data"; then
  if [ "$(cat data/scale 2>/dev/null)" != "$scale" ]; then
    task corpus python "$here/local/make_corpus.py" --nj "$nj" --scale "$scale" data
    echo "$scale" >data/scale
  fi
fi

if in_stage 1 "features -> fbank, dictionary -> exp/tokens"; then
  for name in train dev phrases lid_train lid_dev vad_train vad_dev; do
    task "fbank_$name" firered-fbank "data/$name" "fbank/$name"
  done
  task tokens firered-tokens data/train data/phrases exp/tokens --pieces 200
fi

if in_stage 2 "recognition; detectors, punctuation, language models -> exp"; then both recognition others; fi

if in_stage 3 "CTC, language identification; speech-LLM -> exp"; then
  both heads speech_llm
  if [ "$streaming" = true ]; then both streaming_plain streaming_trimmed; fi
  if [ "$joint" = true ]; then train_ways; fi
fi

if in_stage 4 "models in the published layout -> models, a few recordings -> test"; then
  task models python "$here/local/bundle_models.py" exp models
  task test_set python "$here/local/bundle_test.py" data test
fi

if in_stage 5 "decoding -> exp/decode"; then
  both decode_text decode_others
  if [ "$streaming" = true ]; then both decode_streaming_plain decode_streaming_trimmed; fi
  if [ "$joint" = true ]; then decode_ways; fi
fi

if in_stage 6 "scores -> exp/score"; then
  for name in aed aed_lm llm; do score "$name" firered-score data/test "exp/decode/$name"; done
  for name in vad stream_vad; do score "$name" firered-score vad data/vad_test "exp/decode/$name"; done
  score speech firered-score vad --nonspeech singing,music data/vad_test exp/decode/mvad/rttm
  score singing firered-score vad --nonspeech speech,music data/vad_test exp/decode/mvad/rttm
  score music firered-score vad --nonspeech speech,singing data/vad_test exp/decode/mvad/rttm
  score lid firered-score lid data/lid_test exp/decode/lid
  for name in test talk_test; do
    score "cut_aed_$name" firered-score text --by-recording "data/$name" "exp/decode/cut_aed_$name"
  done
  for name in lid_test talk_test; do # every segment is in its recording's language
    mkdir -p "exp/segments/$name"
    awk 'NR == FNR { key = $1; $1 = ""; language[key] = $0; next } { print $1 language[$2] }' \
      "data/$name/utt2lang" "exp/decode/vad_$name/segments" >"exp/segments/$name/utt2lang"
    score "cut_lid_$name" firered-score lid "exp/segments/$name" "exp/decode/cut_lid_$name"
  done
  score punc firered-score punc data/punc_test exp/decode/punc
  if [ "$streaming" = true ]; then
    for name in stream stream_trim; do
      for chunk in 0.32 0.64 60; do
        score "${name}_$chunk" firered-score data/test "exp/decode/${name}_$chunk/text_streaming"
        score "${name}_final_$chunk" firered-score data/test "exp/decode/${name}_$chunk"
        score "${name}_live_$chunk" firered-score live data/test "exp/decode/${name}_$chunk"
      done
    done
  fi
  if [ "$joint" = true ]; then
    for name in joint paper_ctc; do
      for mode in attention ctc ctc_prefix rescore joint; do
        score "way_${name}_$mode" firered-score data/test "exp/decode/way_${name}_$mode"
      done
      score "boundaries_$name" python "$TOP/egs/common/boundary_errors.py" data/test/ctm "exp/decode/align_$name/ctm"
    done
  fi
  score align python "$TOP/egs/common/boundary_errors.py" data/test/ctm exp/decode/align/ctm
fi

if in_stage 7 "RESULTS.md"; then
  PYTHONPATH=$TOP/egs/common python "$here/local/results.py" exp models RESULTS.md
  cat RESULTS.md
fi
