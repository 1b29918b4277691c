# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh and of parts/sft.sh
# Streaming data (section 5.1 of the report): utterances as growing chunks with the text so far given, the first labels of
# a text masked as the published data set can do it, both, and whole utterances alone, as many steps each. All begin with
# a model of part sft that has learnt sentences in a row. Decoded whole and as streams.
# Stages: 2 the model of part sft, 3 sentences in a row, 4 training, 5 decoding and scores.

streaming_ways="without masked chunks both"
streaming_modes="offline streaming"

# shellcheck source=egs/mini_funaudio/parts/sft.sh
. "$here/parts/sft.sh"

# Sentences in a row, of which streams have many chunks.
streaming_data() {
  local name
  for name in train dev test; do
    once "streaming_rows_$name" python "$here/local/in_a_row.py" "data/fun_asr/$name" "data/streaming/$name" --most 3
  done
  for name in train dev; do
    once "streaming_fbank_$name" firered-fbank --for exp/fun_asr/features/model "data/streaming/$name" "feats/streaming_$name"
  done
}

# streaming_training <seed> <name> <model to begin with> <steps> <options...>
streaming_training() {
  local steps=$4
  if [ "$quick" = true ]; then steps=2; fi
  once "streaming_$1_$2" firered-train "$here/conf/fun_asr.yaml" --set "out=exp/streaming/$1/$2" \
    --set "data.train=feats/fun_asr_train feats/streaming_train" --set "data.dev=feats/fun_asr_dev feats/streaming_dev" \
    --set "model.init=$3" --set "model.trains=encoder adaptor llm" --set optim.lr=1.0e-3 --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))" "${@:5}"
}

# streaming_trainings <seed>: first both kinds of utterances, whole; then the ways.
streaming_trainings() {
  local way own
  streaming_training "$1" base "exp/sft/$1/full/model" 1200
  for way in $streaming_ways; do
    own=()
    case $way in masked | both) own+=(--set data.use_dynamic_output_ratio=0.5) ;; esac
    case $way in chunks | both) own+=(--set streaming.share=0.5 --set "streaming.chunk_seconds=0.72 0.72") ;; esac
    streaming_training "$1" "$way" "exp/streaming/$1/base/model" 500 ${own+"${own[@]}"}
  done
}

# streams_shown <data> <what was decoded> <name>: what streams show before their end, and what it does to it.
streams_shown() {
  once "live_streaming_$3" firered-score live "$1" "exp/streaming/decode/$2" "exp/streaming/live/$3"
  once "given_streaming_$3" python "$here/local/given_beginnings.py" "$1" "exp/streaming/decode/$2" "$chat_llm" \
    "exp/streaming/given/$3.json"
}

# streaming_scores <seed> <name>: of sentences and of sentences in a row.
streaming_scores() {
  local mode kind name data own
  for mode in $streaming_modes; do
    own=()
    if [ "$mode" = streaming ]; then own=(--streaming); fi
    for kind in fun_asr streaming; do
      name=$1_$2-$kind-$mode data=data/$kind/test
      once "decode_streaming_$name" firered-asr --num-threads 1 --dtype float32 --timestamps none ${own+"${own[@]}"} \
        --model "exp/streaming/$1/$2/model" "$data" "exp/streaming/decode/$name"
      once "score_streaming_$name" firered-score "$data" "exp/streaming/decode/$name" "exp/streaming/score/$name"
      if [ "$mode" = streaming ]; then streams_shown "$data" "$name" "$1_$2-$kind"; fi
    done
  done
}

streaming_stages() {
  local seed name
  if [ "$quick" = true ]; then streaming_ways="without both"; fi
  if ! has_mini streaming; then return; fi
  if in_stage 2 "the model of part sft -> exp/sft"; then
    fun_asr_data
    for seed in "${seeds[@]}"; do
      encoder_start "$seed"
      sft_other "$seed" full
    done
  fi
  if in_stage 3 "sentences in a row -> data/streaming"; then streaming_data; fi
  if in_stage 4 "training for streams and without -> exp/streaming"; then
    for seed in "${seeds[@]}"; do streaming_trainings "$seed"; done
  fi
  if in_stage 5 "decoding and scores -> exp/streaming/score"; then
    for seed in "${seeds[@]}"; do
      for name in base $streaming_ways; do streaming_scores "$seed" "$name"; done
    done
  fi
}
