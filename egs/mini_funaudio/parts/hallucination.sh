# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Invented words (section 5.6 of the report): training with zeros around speech before noise is added and with noise alone,
# and without. What is counted: words a minute on digital silence, room noise and music, and words after the end of speech
# that is cut off in mid-word. The AED and the speech-LLM are those of egs/mini; the Fun-ASR-Nano is that of part sft, in
# Mandarin alone, all of whose weights were trained.
# Stages: 2 test sets, and the Fun-ASR-Nano, 3 training, 4 decoding and counts.

hallucination_systems="aed llm fun-asr"
hallucination_ways="without with"

# shellcheck source=egs/mini_funaudio/parts/sft.sh
. "$here/parts/sft.sh"

# invention_model <seed> <aed|llm|fun-asr>: prints the model directory that is trained further.
invention_model() {
  case $2 in
    aed) echo "$aed" ;;
    llm) echo "$speech_llm" ;;
    fun-asr) echo "exp/sft/$1/full/model" ;;
  esac
}

# invention_sets <aed|llm|fun-asr>: prints the test set.
invention_sets() { if [ "$1" = fun-asr ]; then echo data/hallucination_mandarin; else echo data/hallucination; fi; }

# invention_training <seed> <way> <aed|llm|fun-asr>
invention_training() {
  local steps=600 conf=aed_more train=data/noise/train dev=data/noise/dev own=()
  case $3 in
    llm) conf=llm_more ;;
    fun-asr)
      conf=fun_asr train=data/fun_asr/train dev=data/fun_asr/dev
      own=(--set "model.trains=encoder adaptor llm" --set optim.lr=5.0e-4)
      ;;
  esac
  if [ "$quick" = true ]; then steps=2; fi
  if [ "$2" = with ]; then
    own+=(--set augment.pad_prob=0.3 --set augment.pad_seconds=1.5 --set augment.pure_noise_prob=0.1 --set data.empty=non_speech)
  fi
  once "invention_$1_$2_$3" firered-train "$here/conf/$conf.yaml" --set "out=exp/hallucination/$1/$2_$3" \
    --set "model.init=$(invention_model "$1" "$3")" --set "data.train=$train" --set "data.dev=$dev" \
    --set augment.noise=data/noise/recordings/train --set augment.noise_prob=0.3 ${own+"${own[@]}"} \
    --set "train.seed=$1" --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))"
}

invention_counts() { # invention_counts <name> <aed|llm|fun-asr> <model>
  local more=() data
  data=$(invention_sets "$2")
  if [ "$2" != aed ]; then more=(--type "$2"); fi
  once "decode_invention_$1_$2" firered-asr --num-threads 1 ${more+"${more[@]}"} --model "$3" "$data" \
    "exp/hallucination/decode/$1_$2"
  once "count_invention_$1_$2" python "$here/local/inventions.py" "$data" "exp/hallucination/decode/$1_$2" \
    "exp/hallucination/count/$1_$2.json"
}

# invention_scores <aed|llm|fun-asr>: as it is, which of Fun-ASR-Nano is another model of each seed, and trained.
invention_scores() {
  local seed way out
  if [ "$1" != fun-asr ]; then invention_counts before "$1" "$(invention_model any "$1")"; fi
  for seed in "${seeds[@]}"; do
    if [ "$1" = fun-asr ]; then invention_counts "${seed}_before" "$1" "$(invention_model "$seed" "$1")"; fi
    for way in $hallucination_ways; do
      out=exp/hallucination/$seed/${way}_$1
      if [ "$1" = fun-asr ]; then out+=/model; fi
      invention_counts "${seed}_$way" "$1" "$out"
    done
  done
}

hallucination_stages() {
  local seed way system
  if [ "$quick" = true ]; then hallucination_systems="aed fun-asr"; fi
  if ! has_mini hallucination; then return; fi
  if in_stage 2 "silence, noise, music, cut speech -> data/hallucination; Fun-ASR-Nano -> exp/sft"; then
    noise_data
    invention_data data/noise/clean data/hallucination
    fun_asr_data
    invention_data data/fun_asr/test data/hallucination_mandarin
    for seed in "${seeds[@]}"; do
      encoder_start "$seed"
      sft_other "$seed" full
    done
  fi
  if in_stage 3 "training -> exp/hallucination"; then
    for seed in "${seeds[@]}"; do
      for way in $hallucination_ways; do
        for system in $hallucination_systems; do invention_training "$seed" "$way" "$system"; done
      done
    done
  fi
  if in_stage 4 "decoding and counts -> exp/hallucination/count"; then
    for system in $hallucination_systems; do invention_scores "$system"; done
  fi
}
