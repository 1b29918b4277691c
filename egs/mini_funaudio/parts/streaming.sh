# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh and of parts/sft.sh
# Streaming data (section 5.1 of the report): a model of part sft is trained further on utterances as growing chunks with
# the text so far given, with the first labels of texts masked as the published data set can do it, on both, and on whole
# utterances alone, as many steps each. Decoded whole, and as streams of 0.72 s (as published) and 0.36 s a step.
# Stages: 2 the model of part sft, 3 sentences in a row, 4 training, 5 decoding and scores.

streaming_ways="without masked chunks both"

# shellcheck source=egs/mini_funaudio/parts/sft.sh
. "$here/parts/sft.sh"

# streaming_training <seed> <way>
streaming_training() {
  local steps=400 own=()
  if [ "$quick" = true ]; then steps=2; fi
  case $2 in masked | both) own+=(--set data.use_dynamic_output_ratio=0.5) ;; esac
  case $2 in chunks | both) own+=(--set streaming.share=0.5 --set "streaming.chunk_seconds=0.36 0.72") ;; esac
  once "streaming_$1_$2" firered-train "$here/conf/fun_asr.yaml" --set "out=exp/streaming/$1/$2" \
    --set data.train=feats/fun_asr_train --set data.dev=feats/fun_asr_dev --set "model.init=exp/sft/$1/full/model" \
    --set "model.trains=encoder adaptor llm" --set optim.lr=5.0e-4 ${own+"${own[@]}"} --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 1) / 2))"
}

# streaming_decoding <name> <model> <milliseconds of a step, or whole>: of all sets, which are then scored by themselves.
streaming_decoding() {
  local own=() decoded=exp/streaming/decode/$1-$3 data set
  if [ "$3" != whole ]; then own=(--streaming --chunk-seconds "0.$3"); fi
  once "decode_streaming_$1-$3" firered-asr --num-threads 1 --dtype float32 --timestamps none ${own+"${own[@]}"} \
    --model "$2" data/fun_asr/test data/streaming/test "$decoded"
  for set in one two; do
    data=data/fun_asr/test
    if [ "$set" = two ]; then data=data/streaming/test; fi
    once "score_streaming_$1-$set-$3" firered-score --allow-extra "$data" "$decoded" "exp/streaming/score/$1-$set-$3"
  done
  if [ "$3" = whole ]; then return; fi
  # What streams of sentences show before their end.
  data=data/fun_asr/test
  once "live_streaming_$1-one-$3" firered-score live --allow-extra "$data" "$decoded" "exp/streaming/live/$1-one-$3"
  streams+=("exp/streaming/given/$1-one-$3.json=$data=$decoded")
}

# streaming_scores <seed> <way>: of sentences, and of two in a row, which are longer than all that training has.
streaming_scores() {
  local step model=exp/streaming/$1/$2/model streams=()
  if [ "$2" = base ]; then model=exp/sft/$1/full/model; fi
  for step in whole 720 360; do streaming_decoding "$1_$2" "$model" "$step"; done
  once "given_streaming_$1_$2" python "$here/local/given_beginnings.py" "$chat_llm" "${streams[@]}"
}

streaming_stages() {
  local seed way rows=test
  if [ "$quick" = true ]; then
    streaming_ways="without both"
    rows=train # of a small test set no voice has two sentences
  fi
  if ! has_mini streaming; then return; fi
  if in_stage 2 "the model of part sft -> exp/sft"; then
    fun_asr_data
    for seed in "${seeds[@]}"; do
      encoder_start "$seed"
      sft_other "$seed" full
    done
  fi
  if in_stage 3 "sentences in a row -> data/streaming"; then
    once streaming_rows python "$here/local/in_a_row.py" "data/fun_asr/$rows" data/streaming/test --most 2
  fi
  if in_stage 4 "training for streams and without -> exp/streaming"; then
    for seed in "${seeds[@]}"; do
      for way in $streaming_ways; do streaming_training "$seed" "$way"; done
    done
  fi
  if in_stage 5 "decoding and scores -> exp/streaming/score"; then
    for seed in "${seeds[@]}"; do
      for way in base $streaming_ways; do streaming_scores "$seed" "$way"; done
    done
  fi
}
