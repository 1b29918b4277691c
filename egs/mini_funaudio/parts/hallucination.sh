# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Invented words (section 5.6 of the report): training with zeros around speech before noise is added and with noise alone,
# and without. What is counted: words a minute on digital silence, room noise and music, and words after the end of speech
# that is cut off in mid-word.
# Stages: 2 test sets, 3 training, 4 decoding and counts.

hallucination_systems="aed llm"
hallucination_ways="without with"

# invention_training <seed> <way> <aed|llm>
invention_training() {
  local steps=600 conf=aed_more init=$aed own=()
  if [ "$3" = llm ]; then conf=llm_more init=$speech_llm; fi
  if [ "$quick" = true ]; then steps=2; fi
  if [ "$2" = with ]; then
    own=(--set augment.pad_prob=0.3 --set augment.pad_seconds=1.5 --set augment.pure_noise_prob=0.1 --set data.empty=non_speech)
  fi
  once "invention_$1_$2_$3" firered-train "$here/conf/$conf.yaml" --set "out=exp/hallucination/$1/$2_$3" \
    --set "model.init=$init" --set data.train=data/noise/train --set data.dev=data/noise/dev \
    --set augment.noise=data/noise/recordings/train --set augment.noise_prob=0.3 ${own+"${own[@]}"} \
    --set "train.seed=$1" --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))"
}

invention_counts() { # invention_counts <name> <aed|llm> <model>
  local more=()
  if [ "$2" = llm ]; then more=(--type llm); fi
  once "decode_invention_$1_$2" firered-asr --num-threads 1 ${more+"${more[@]}"} --model "$3" data/hallucination \
    "exp/hallucination/decode/$1_$2"
  once "count_invention_$1_$2" python "$here/local/inventions.py" data/hallucination "exp/hallucination/decode/$1_$2" \
    "exp/hallucination/count/$1_$2.json"
}

hallucination_stages() {
  local seed way system
  if [ "$quick" = true ]; then hallucination_systems=aed; fi
  if ! has_mini hallucination; then return; fi
  if in_stage 2 "silence, noise, music, cut speech -> data/hallucination"; then
    noise_data
    once hallucination_sets python "$here/local/hallucination_sets.py" data/noise/clean "$mini/data/test/ctm" \
      data/noise/recordings/test data/hallucination
  fi
  if in_stage 3 "training -> exp/hallucination"; then
    for seed in "${seeds[@]}"; do
      for way in $hallucination_ways; do
        for system in $hallucination_systems; do invention_training "$seed" "$way" "$system"; done
      done
    done
  fi
  if in_stage 4 "decoding and counts -> exp/hallucination/count"; then
    for system in $hallucination_systems; do
      if [ "$system" = llm ]; then invention_counts before llm "$speech_llm"; else invention_counts before aed "$aed"; fi
      for seed in "${seeds[@]}"; do
        for way in $hallucination_ways; do
          invention_counts "${seed}_$way" "$system" "exp/hallucination/$seed/${way}_$system"
        done
      done
    done
  fi
}
