# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# A small Fun-ASR-Nano from nothing by the five stages (section 4.2 of the report), and other ways with as many steps: all
# of stage 4 from the start, and all weights of all parts from the start. All begin with the same encoder and language model.
# Stages: 2 data, language model, 3 the encoder's start, 4 training, 5 decoding and scores.

sft_ways="stages together full"
chat_llm=exp/fun_asr/qwen3
characters=exp/fun_asr/characters.tiktoken # pieces of the CTC head

# sft_steps <start|stage1|...>: prints the steps of a training.
sft_steps() {
  if [ "$quick" = true ]; then
    echo 2
    return
  fi
  case $1 in
    start) echo 1500 ;;
    stage1 | stage3 | stage5) echo 300 ;;
    stage2) echo 600 ;;
    stage4) echo 800 ;;
    *) echo 2000 ;; # as the first four together
  esac
}

# sft_training <seed> <name> <options...>
sft_training() {
  local out=exp/sft/$1/$2 steps
  steps=$(sft_steps "$2")
  once "sft_$1_$2" firered-train "$here/conf/fun_asr.yaml" --set "out=$out" --set data.train=feats/fun_asr_train \
    --set data.dev=feats/fun_asr_dev --set "train.seed=$1" --set "train.max_steps=$steps" \
    --set "train.eval_steps=$(((steps + 3) / 4))" "${@:3}"
}

# fun_asr_data: sentences of the corpus of egs/mini in Mandarin, and a small Qwen3 that has read them.
fun_asr_data() {
  local name limit=100000 steps=2000 model=exp/fun_asr/features
  if [ "$quick" = true ]; then limit=12 steps=2; fi
  for name in train dev test; do
    once "fun_asr_$name" python "$here/local/mandarin.py" "$mini/data/$name" "data/fun_asr/$name" --most "$limit"
  done
  once fun_asr_characters python "$here/local/characters.py" data/fun_asr/train "$characters"
  PYTHONPATH=$TOP/egs/common once fun_asr_llm python "$here/local/chat_qwen3.py" data/fun_asr/train "$chat_llm" --steps "$steps"
  # A model of one step tells firered-fbank what features a Fun-ASR-Nano has.
  once fun_asr_features firered-train "$here/conf/fun_asr.yaml" --set "out=$model" --set "model.llm=$chat_llm" \
    --set data.train=data/fun_asr/dev --set data.dev=data/fun_asr/dev --set train.max_steps=1
  for name in train dev; do
    once "fun_asr_fbank_$name" firered-fbank --for "$model/model" "data/fun_asr/$name" "feats/fun_asr_$name"
  done
}

# encoder_start <seed>: a new encoder learns with a CTC head, which the model after it does not take on.
encoder_start() {
  sft_training "$1" start --set "model.llm=$chat_llm" --set "model.trains=encoder ctc" --set "model.ctc_vocabulary=$characters" \
    --set optim.lr=3.0e-3
}

# four_stages <seed>: those that come before the CTC head.
four_stages() {
  local new=(--set "model.llm=$chat_llm" --set "model.encoder=exp/sft/$1/start/model") from=exp/sft/$1
  sft_training "$1" stage1 "${new[@]}" --set model.stage=1
  sft_training "$1" stage2 --set "model.init=$from/stage1/model" --set model.stage=2 --set optim.lr=1.0e-3
  sft_training "$1" stage3 --set "model.init=$from/stage2/model" --set model.stage=3
  sft_training "$1" stage4 --set "model.init=$from/stage3/model" --set model.stage=4 --set optim.lr=1.0e-3
}

# ctc_stage <seed>
ctc_stage() {
  sft_training "$1" stage5 --set "model.init=exp/sft/$1/stage4/model" --set model.stage=5 --set "model.ctc_vocabulary=$characters" \
    --set optim.lr=3.0e-3
}

# sft_other <seed> <together|full>
sft_other() {
  local trains="encoder adaptor lora"
  if [ "$2" = full ]; then trains="encoder adaptor llm"; fi
  sft_training "$1" "$2" --set "model.llm=$chat_llm" --set "model.encoder=exp/sft/$1/start/model" --set "model.trains=$trains"
}

# sft_scores <seed> <name>: of what the language model writes, and of the CTC head where there is one.
sft_scores() {
  local name=$1_$2
  once "decode_sft_$name" firered-asr --num-threads 1 --dtype float32 --model "exp/sft/$1/$2/model" data/fun_asr/test \
    "exp/sft/decode/$name"
  once "score_sft_$name" firered-score data/fun_asr/test "exp/sft/decode/$name" "exp/sft/score/$name"
  if [ "$2" = stage5 ] || [ "$2" = start ]; then
    once "first_sft_$name" python "$here/local/first_pass.py" "exp/sft/decode/$name" "exp/sft/first/$name"
    once "score_sft_first_$name" firered-score data/fun_asr/test "exp/sft/first/$name" "exp/sft/score/$name-ctc"
  fi
}

sft_stages() {
  local seed name
  if [ "$quick" = true ]; then sft_ways="stages full"; fi
  if ! has_mini sft; then return; fi
  if in_stage 2 "Mandarin sentences -> data/fun_asr, language model -> $chat_llm"; then fun_asr_data; fi
  if in_stage 3 "the encoder's start -> exp/sft"; then
    for seed in "${seeds[@]}"; do encoder_start "$seed"; done
  fi
  if in_stage 4 "the stages, and other ways -> exp/sft"; then
    for seed in "${seeds[@]}"; do
      for name in $sft_ways; do
        if [ "$name" = stages ]; then
          four_stages "$seed"
          ctc_stage "$seed"
        else
          sft_other "$seed" "$name"
        fi
      done
    done
  fi
  if in_stage 5 "decoding and scores -> exp/sft/score"; then
    for seed in "${seeds[@]}"; do
      for name in start ${sft_ways/stages/stage1 stage2 stage3 stage4 stage5}; do sft_scores "$seed" "$name"; done
    done
  fi
}
