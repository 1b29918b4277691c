# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of run.sh
# Pre-training without labels. Stages: 2 Best-RQ, 3 recognition with a share of the labels, 4 decoding and scores.
# All encoders are of one size, with layers of Qwen3, and are trained for as many steps whatever they begin with:
# layers of a language model before it was trained, which are random (`none`), the same after (`layers`), or Best-RQ from
# either (`random`, `llm`).

shares="1 10 100"
starts="none layers random llm"
untrained=exp/llm_untrained

# best_rq_steps <corpus> <share|rq>: prints the steps of a training.
best_rq_steps() {
  if [ "$quick" = true ]; then
    echo 2
    return
  fi
  case $1/$2 in
    fsdd/rq) echo 400 ;;
    fsdd/1) echo 150 ;;
    fsdd/10) echo 200 ;;
    fsdd/*) echo 300 ;;
    */rq) echo 2000 ;;
    */1) echo 300 ;;
    */10) echo 600 ;;
    *) echo 1200 ;;
  esac
}

# begin_with <start>: sets `own` to the options of an encoder that begins so, before any Best-RQ.
begin_with() {
  case $1 in
    llm | layers) own=(--set "model.llm=$llm") ;;
    *) own=(--set "model.llm=$untrained") ;;
  esac
}

pretrain() { # pretrain <corpus> <seed> <random|llm>
  local steps own
  steps=$(best_rq_steps "$1" rq)
  begin_with "$3"
  once "rq_$1_$2_$3" firered-train "$here/conf/best_rq.yaml" --set "out=exp/best_rq/$1/$2/$3" "${own[@]}" \
    --set "data.train=$(features "$1" train)" --set "data.dev=$(features "$1" dev)" --set "train.seed=$2" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 9) / 10))"
}

recognition() { # recognition <corpus> <seed> <share> <start>
  local steps own out=exp/best_rq/$1/$2/aed_$3_$4
  steps=$(best_rq_steps "$1" "$3")
  begin_with "$4"
  case $4 in random | llm) own=(--set "model.encoder=exp/best_rq/$1/$2/$4") ;; esac
  once "aed_$1_$2_$3_$4" firered-train "$here/conf/aed.yaml" --set "out=$out" "${own[@]}" \
    --set "data.train=exp/best_rq/labels/$1_$2_$3" --set "data.dev=$(features "$1" dev)" \
    --set "data.tokens=exp/tokens/$1" --set "train.seed=$2" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 4) / 5))"
}

decoded() { # decoded <corpus> <seed> <share> <start>
  local name=$1_$2_$3_$4
  once "decode_$name" firered-asr --num-threads 1 --mode ctc_prefix --model "exp/best_rq/$1/$2/aed_$3_$4" \
    "$(set_of "$1" test)" "exp/best_rq/decode/$name"
  once "score_$name" firered-score "$(set_of "$1" test)" "exp/best_rq/decode/$name" "exp/best_rq/score/$name"
}

# each_recognition <function>: it is called of every corpus, seed, share and start.
each_recognition() {
  local corpus seed share start
  for corpus in "${corpora[@]}"; do
    for seed in "${seeds[@]}"; do
      for share in $shares; do
        for start in $starts; do "$1" "$corpus" "$seed" "$share" "$start"; done
      done
    done
  done
}

best_rq_stages() {
  local corpus seed share start
  if [ "$quick" = true ]; then
    shares=100
    starts="none llm"
  fi
  if in_stage 2 "Best-RQ -> exp/best_rq"; then
    small_llm llm_untrained "$untrained" 0
    for corpus in "${corpora[@]}"; do
      for seed in "${seeds[@]}"; do
        for start in $starts; do
          case $start in random | llm) pretrain "$corpus" "$seed" "$start" ;; esac
        done
      done
    done
  fi
  if in_stage 3 "recognition with $shares % of the labels -> exp/best_rq"; then
    for corpus in "${corpora[@]}"; do
      for seed in "${seeds[@]}"; do
        for share in $shares; do
          once "labels_${corpus}_${seed}_$share" python "$here/local/labels.py" "$(features "$corpus" train)" \
            "exp/best_rq/labels/${corpus}_${seed}_$share" --percent "$share" --seed "$seed"
        done
      done
    done
    each_recognition recognition
  fi
  if in_stage 4 "decoding and scores -> exp/best_rq/score"; then each_recognition decoded; fi
}
