# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Noise in training (section 5.2 of the report): none, a noisy copy of every utterance, noise on 30% of the utterances as
# they are drawn, and both. All begin with the recogniser of egs/mini and have as many steps.
# Stages: 2 noise, noisy copies and test sets, 3 training, 4 decoding and scores.

noise_ways="none offline online both"
noise_snrs="20 10 5 0"

# noise_training <seed> <way>
noise_training() {
  local steps=600 train=data/noise/train own=(--set augment.noise_prob=0)
  if [ "$quick" = true ]; then steps=2; fi
  case $2 in offline | both) train+=" data/noise/copies" ;; esac
  case $2 in online | both) own=(--set augment.noise=data/noise/recordings/train --set augment.noise_prob=0.3) ;; esac
  once "noise_$1_$2" firered-train "$here/conf/aed_more.yaml" --set "out=exp/noise/$1/$2" --set "model.init=$aed" \
    --set "data.train=$train" --set data.dev=data/noise/dev "${own[@]}" --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 3) / 4))"
}

# noise_scores <name> <model>: of the clean test set and of all that are mixed with noise, together in one data directory.
noise_scores() {
  once "decode_noise_$1" firered-asr --num-threads 1 --model "$2" data/noise/test "exp/noise/decode/$1"
  once "score_noise_$1" firered-score --by env --by snr data/noise/test "exp/noise/decode/$1" "exp/noise/score/$1"
}

noise_stages() {
  local seed way
  if [ "$quick" = true ]; then
    noise_ways="none both"
    noise_snrs=5
  fi
  if ! has_mini noise; then return; fi
  if in_stage 2 "noise -> data/noise"; then
    noise_data
    once noise_copies firered-noisy data/noise/train data/noise/recordings/train data/noise/copies
    once noise_mixes python "$TOP/egs/noise/local/prepare.py" data/noise/clean data/noise/mixes \
      --noise data/noise/recordings/test --snrs "$noise_snrs"
    once noise_test python "$here/local/noise_test.py" data/noise/clean data/noise/mixes data/noise/test
  fi
  if in_stage 3 "training in noise -> exp/noise"; then
    for seed in "${seeds[@]}"; do
      for way in $noise_ways; do noise_training "$seed" "$way"; done
    done
  fi
  if in_stage 4 "decoding and scores -> exp/noise/score"; then
    noise_scores before "$aed"
    for seed in "${seeds[@]}"; do
      for way in $noise_ways; do noise_scores "${seed}_$way" "exp/noise/$seed/$way"; done
    done
  fi
}
