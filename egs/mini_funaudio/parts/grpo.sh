# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Learning by rewards (section 4.4 of the report): the speech-LLM of egs/mini, before and after GRPO, beside supervised
# training from the same start on the same utterances, for as many steps and for about as many seconds.
# Stages: 2 test sets, 3 prompts and training, 4 a training that is killed and resumed, 5 decoding and scores.

grpo_ways="rewards supervised supervised_long game"

grpo_sets() { # the test set, and the candidates for prompts
  local spoken=$TOP/egs/mini/local sets=$here/local/grpo_sets.py rows=$here/local/in_a_row.py percent=80 seconds=20
  if [ "$quick" = true ]; then percent=20 seconds=1; fi
  noise_data
  once noise_copies firered-noisy data/noise/train data/noise/recordings/train data/noise/copies
  once grpo_noisy firered-noisy data/noise/clean data/noise/recordings/test data/grpo/noisy
  once grpo_dev firered-noisy data/noise/dev data/noise/recordings/train data/grpo/dev
  PYTHONPATH=$spoken once grpo_voices python "$sets" voices data/noise/clean "$here/tables/other_voices" data/grpo/voices
  once grpo_long python "$rows" "$mini/data/test" data/grpo/long --seconds "$seconds" --rows 30
  once grpo_test python "$sets" together data/grpo/test clean=data/noise/clean noisy=data/grpo/noisy \
    voices=data/grpo/voices long=data/grpo/long
  once grpo_some python "$here/local/labels.py" data/noise/copies data/grpo/copies --percent "$percent"
  once grpo_long_train python "$rows" data/noise/train data/grpo/long_train --seconds "$seconds" --rows 30
  once grpo_candidates python "$sets" together data/grpo/candidates noisy=data/grpo/copies long=data/grpo/long_train
  once grpo_keywords python "$sets" keywords data/noise/train data/grpo/keywords
  invention_data data/noise/clean data/hallucination
}

grpo_prompts() { # two other systems, which the model is compared with
  local name each=300 model=exp/grpo/candidates
  if [ "$quick" = true ]; then each=4; fi
  once grpo_ours firered-asr --num-threads 1 --type llm --model "$speech_llm" data/grpo/candidates "$model/ours"
  for name in AED AED-Stream; do
    once "grpo_$name" firered-asr --num-threads 1 --model "$TOP/egs/mini/models/FireRedASR2-$name" data/grpo/candidates \
      "$model/$name"
  done
  once grpo_prompts firered-rl-data data/grpo/candidates "$model/ours" data/grpo/prompts --each "$each" \
    --other "$model/AED" --other "$model/AED-Stream" --keywords data/grpo/keywords/listed.txt
}

# grpo_training <seed> <way>
grpo_training() {
  local steps=160 conf=grpo own=()
  case $2 in
    supervised) conf=grpo_supervised ;;
    supervised_long) conf=grpo_supervised steps=800 ;;
    game) # keywords alone, no KL, ten times the learning rate
      steps=80
      own=(--set grpo.beta=0 --set optim.lr=3e-3 --set rewards.accuracy=0 --set rewards.hallucination=0 --set rewards.language=0)
      ;;
  esac
  if [ "$quick" = true ]; then steps=2; fi
  once "grpo_$1_$2" firered-train "$here/conf/$conf.yaml" --set "out=exp/grpo/$1/$2" --set "model.init=$speech_llm" \
    --set data.train=data/grpo/prompts --set data.dev=data/grpo/dev ${own+"${own[@]}"} --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$steps"
}

grpo_killed() {
  local steps=20 at=10
  if [ "$quick" = true ]; then steps=6 at=3; fi
  once grpo_killed python "$here/local/grpo_killed.py" exp/grpo/killed "$at" -- firered-train "$here/conf/grpo.yaml" \
    --set "model.init=$speech_llm" --set data.train=data/grpo/prompts --set data.dev=data/grpo/dev \
    --set "train.max_steps=$steps" --set "train.eval_steps=$steps" --set train.log_steps=1 --set train.save_steps=3
}

grpo_scores() { # grpo_scores <name> <model>
  local list set name
  once "grpo_decode_$1" firered-asr --num-threads 1 --type llm --model "$2" data/grpo/test "exp/grpo/decode/$1"
  for list in listed unlisted; do
    once "grpo_score_$1_$list" firered-score --by kind --hotwords "data/grpo/keywords/$list.txt" data/grpo/test \
      "exp/grpo/decode/$1" "exp/grpo/score/$list/$1"
  done
  for set in noise/clean grpo/noisy; do
    name=${1}_${set#*/}
    once "grpo_stream_$name" python "$here/local/growing.py" "$2" "data/$set" "exp/grpo/stream/$name"
    once "grpo_score_stream_$name" firered-score "data/$set" "exp/grpo/stream/$name" "exp/grpo/score/stream_${set#*/}/$1"
  done
  once "grpo_invent_$1" firered-asr --num-threads 1 --type llm --model "$2" data/hallucination "exp/grpo/invent/$1"
  once "grpo_count_$1" python "$here/local/inventions.py" data/hallucination "exp/grpo/invent/$1" "exp/grpo/count/$1.json"
}

grpo_stages() {
  local seed way
  if [ "$quick" = true ]; then grpo_ways="rewards supervised"; fi
  if ! has_mini grpo || ! has_espeak grpo; then return; fi
  if in_stage 2 "test sets -> data/grpo"; then grpo_sets; fi
  if in_stage 3 "prompts -> data/grpo/prompts, training -> exp/grpo"; then
    grpo_prompts
    for seed in "${seeds[@]}"; do
      for way in $grpo_ways; do grpo_training "$seed" "$way"; done
    done
  fi
  if in_stage 4 "a training that is killed and resumed -> exp/grpo/killed"; then grpo_killed; fi
  if in_stage 5 "decoding and scores -> exp/grpo/score"; then
    grpo_scores before "$speech_llm"
    for seed in "${seeds[@]}"; do
      for way in $grpo_ways; do grpo_scores "${seed}_$way" "exp/grpo/$seed/$way"; done
    done
  fi
}
