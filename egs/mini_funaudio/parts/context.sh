# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh and of parts/sft.sh
# Contextual fine-tuning (section 4.3 of the report). Names are said that sound alike and are written differently. A model
# that has learnt to hear them is trained with contexts (what was said before, contexts that firered-context wrote, lists),
# and without, as many steps.
# Stages: 2 the encoder's start of part sft, 3 speech and contexts, 4 training, 5 decoding and scores.

context_ways="without with"
context_characters=exp/fun_asr/context.tiktoken # pieces of the CTC head
context_asked="none relevant five irrelevant list talk_none talk_reference"

# shellcheck source=egs/mini_funaudio/parts/sft.sh
. "$here/parts/sft.sh"

context_data() {
  local name scale=1
  if [ "$quick" = true ]; then scale=0.01; fi
  once context_speech python "$here/local/context_data.py" data/context --scale "$scale"
  for name in train dev test; do
    once "context_written_$name" firered-context "data/context/$name" "data/context/written_$name"
  done
  for name in train dev; do
    once "context_kinds_$name" python "$here/local/context_sets.py" train "data/context/written_$name" "data/context/kinds_$name"
  done
  once context_asked python "$here/local/context_sets.py" test data/context/written_test data/context/sentences \
    data/context/asked
}

# context_base <seed>: what both begin with. The encoder of part sft learns the sounds of the names, by CTC of texts in which
# they are written as they sound; then a model with it learns to write them, without context.
context_base() {
  local from=exp/context/$1 steps=1500
  if [ "$quick" = true ]; then steps=2; fi
  once context_characters python "$here/local/characters.py" data/fun_asr/train data/context/sounds_train "$context_characters"
  once "context_$1_encoder" firered-train "$here/conf/fun_asr.yaml" --set "out=$from/encoder" \
    --set data.train=data/context/sounds_train --set data.dev=data/context/sounds_dev --set "model.llm=$chat_llm" \
    --set "model.encoder=exp/sft/$1/start/model" --set "model.trains=encoder ctc" \
    --set "model.ctc_vocabulary=$context_characters" --set "train.seed=$1" --set "train.max_steps=$steps" \
    --set "train.eval_steps=$(((steps + 3) / 4))"
  once "context_$1_base" firered-train "$here/conf/fun_asr.yaml" --set "out=$from/base" \
    --set data.train=data/context/train --set data.dev=data/context/dev --set "model.llm=$chat_llm" \
    --set "model.encoder=$from/encoder/model" --set "model.trains=encoder adaptor lora" --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))"
}

# context_training <seed> <with|without>
context_training() {
  local steps=800 own=()
  if [ "$quick" = true ]; then steps=2; fi
  if [ "$2" = with ]; then
    own=(--set context.share=0.8 --set context.relevant=0.9 --set context.irrelevant=5 --set "context.distractors=0 7")
  fi
  once "context_$1_$2" firered-train "$here/conf/fun_asr.yaml" --set "out=exp/context/$1/$2" \
    --set data.train=data/context/kinds_train --set data.dev=data/context/kinds_dev \
    --set "model.init=exp/context/$1/base/model" --set model.stage=4 --set optim.lr=1.0e-3 ${own+"${own[@]}"} \
    --set "train.seed=$1" --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))"
}

# context_scores <seed> <with|without>: each way of asking is scored by itself, and conversations with what is recognised.
context_scores() {
  local name=$1_$2 way
  once "decode_context_$name" firered-asr --num-threads 1 --dtype float32 --hotword-use prompt \
    --model "exp/context/$1/$2/model" data/context/asked/asked "exp/context/decode/$name"
  for way in $context_asked; do
    once "score_context_${name}_$way" firered-score --allow-extra --hotwords data/context/asked/names.txt \
      "data/context/asked/$way" "exp/context/decode/$name" "exp/context/score/$name-$way"
  done
  once "decode_talk_$name" firered-asr --num-threads 1 --dtype float32 --context-carry 1 --timestamps none \
    --model "exp/context/$1/$2/model" data/context/conversations "exp/context/talk/$name"
  once "score_talk_$name" firered-score --hotwords data/context/asked/names.txt --by span data/context/conversations \
    "exp/context/talk/$name" "exp/context/score/$name-talk_recognised"
}

context_stages() {
  local seed way
  if ! has_mini context; then return; fi
  if in_stage 2 "the encoder of part sft -> exp/sft"; then
    fun_asr_data
    for seed in "${seeds[@]}"; do
      encoder_start "$seed"
    done
  fi
  if in_stage 3 "speech and contexts -> data/context"; then context_data; fi
  if in_stage 4 "training with and without context -> exp/context"; then
    for seed in "${seeds[@]}"; do
      context_base "$seed"
      for way in $context_ways; do context_training "$seed" "$way"; done
    done
  fi
  if in_stage 5 "decoding and scores -> exp/context/score"; then
    for seed in "${seeds[@]}"; do
      for way in $context_ways; do context_scores "$seed" "$way"; done
    done
  fi
}
