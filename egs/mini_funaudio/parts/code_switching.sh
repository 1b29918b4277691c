# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Sentences that mix Chinese and English (section 5.4 of the report, its table 5): the speech-LLM of egs/mini trained further
# without them, with them, and then by rewards. Its language model reads the phrases before, as one of full size has.
# Tested: phrases that no training has heard, and phrases that it has heard, both in voices that it has not; and a part of
# the test set of egs/mini. All are recognised whole (offline), and as they are spoken (streaming).
# Stages: 2 sentences, speech and features, 3 training, 4 decoding and scores.

mixed=data/code_switching
mixed_llm=exp/code_switching_llm
mixed_ways="without with rl"
mixed_sets="test heard old_test"

# spoken_mixed <set> <train|test>: $mixed/SET, in voices of training or of testing.
spoken_mixed() {
  PYTHONPATH=$TOP/egs/mini/local once "spoken_mixed_$1" firered-speak "$mixed/text/$1" "$mixed/$1" \
    --voices "$here/tables/$2_voices" --tts "python $here/local/say.py --voice {voice} {wav}"
}

mixed_data() {
  local sentences=1200 percent=10 test_percent=40 steps=500
  if [ "$quick" = true ]; then sentences=20 percent=1 test_percent=2 steps=2; fi
  once mixed_text firered-mixed-text "$here/tables/phrases.tsv" "$mixed/text" --patterns "$here/tables/mixed_patterns.txt" \
    --sentences "$sentences" --test-sentences "$((sentences / 8))" --test-share 0.25
  once mixed_heard python "$here/local/labels.py" "$mixed/text/train" "$mixed/text/heard" --percent 10
  spoken_mixed train train
  spoken_mixed test test
  spoken_mixed heard test
  cut -f 2 "$here/tables/phrases.tsv" >"$mixed/phrases.txt"
  once mixed_old python "$here/local/labels.py" "$mini/data/train" "$mixed/old" --percent "$percent"
  once mixed_old_test python "$here/local/labels.py" "$mini/data/test" "$mixed/old_test" --percent "$test_percent"
  once mixed_all_tests python "$TOP/utils/combine_data.py" "$mixed/tests" "$mixed"/{test,heard,old_test}
  once fbank_mixed_train firered-fbank "$mixed/train" feats/mixed_train
  cp "$mixed/train/keywords" feats/mixed_train/keywords # one of the rewards
  once fbank_mixed_old firered-fbank "$mixed/old" feats/mixed_old
  once fbank_mixed_dev firered-fbank "$mini/data/dev" feats/mixed_dev
  PYTHONPATH=$TOP/egs/common once read_more python "$here/local/read_more.py" "$mini/data/train" \
    "$here/tables/phrases.tsv" "$speech_llm/Qwen2-7B-Instruct" "$mixed_llm" --steps "$steps"
}

mixed_training() { # mixed_training <seed> <without|with>
  local steps=600 train=feats/mixed_old
  if [ "$quick" = true ]; then steps=2; fi
  if [ "$2" = with ]; then train+=" feats/mixed_train"; fi
  once "mixed_$1_$2" firered-train "$here/conf/llm_more.yaml" --set "out=exp/code_switching/$1/$2" \
    --set "model.init=$speech_llm" --set "model.llm=$mixed_llm" --set "data.train=$train" \
    --set data.dev=feats/mixed_dev --set optim.lr=1.0e-3 --set "train.seed=$1" --set "train.max_steps=$steps" \
    --set "train.eval_steps=$(((steps + 2) / 3))"
}

mixed_rewards() { # mixed_rewards <seed>: what was trained with them, trained on
  local steps=80
  if [ "$quick" = true ]; then steps=2; fi
  once "mixed_$1_rl" firered-train "$here/conf/grpo.yaml" --set "out=exp/code_switching/$1/rl" \
    --set "model.init=exp/code_switching/$1/with" --set data.train=feats/mixed_train --set data.dev=feats/mixed_dev \
    --set "train.seed=$1" --set "train.max_steps=$steps" --set "train.eval_steps=$steps"
}

mixed_scores() { # mixed_scores <seed> <way>: one pass over all tests, a score for each
  local name=$1_$2 pass set
  once "decode_mixed_$name" firered-asr --num-threads 1 --type llm --model "exp/code_switching/$1/$2" "$mixed/tests" \
    "exp/code_switching/offline/$name"
  once "growing_mixed_$name" python "$here/local/growing.py" "exp/code_switching/$1/$2" "$mixed/tests" \
    "exp/code_switching/streaming/$name"
  for pass in offline streaming; do
    for set in $mixed_sets; do
      once "score_mixed_${name}_${pass}_$set" firered-score --allow-extra --hotwords "$mixed/phrases.txt" "$mixed/$set" \
        "exp/code_switching/$pass/$name" "exp/code_switching/score/${name}_${pass}_$set"
    done
  done
}

code_switching_stages() {
  local seed way
  if ! has_mini code_switching || ! has_espeak code_switching; then return; fi
  if in_stage 2 "mixed sentences, spoken -> $mixed"; then mixed_data; fi
  if in_stage 3 "training without and with them, and by rewards -> exp/code_switching"; then
    for seed in "${seeds[@]}"; do
      mixed_training "$seed" without
      mixed_training "$seed" with
      mixed_rewards "$seed"
    done
  fi
  if in_stage 4 "decoding and scores -> exp/code_switching/score"; then
    for seed in "${seeds[@]}"; do
      for way in $mixed_ways; do mixed_scores "$seed" "$way"; done
    done
  fi
}
