# shellcheck shell=bash
# What the recipes share. Each run.sh sets `recipe` to its folder, and before that perhaps `sets` to the test sets that
# make up its rows; it sources this file, which takes the options, and calls recognise, identify, detect or punctuate.

corpus=
labels=
magichub=
models=pretrained_models
exp=exp/$(basename "${recipe:?}")
sets=${sets:-}
stage=-1
stop_stage=6
nj=1
cmd=
asr_type=
asr_config=
allow_missing=false
python=

help_message="Usage: bash egs/${recipe##*/}/run.sh --corpus <folder of the corpus> [--models <folder>] [options]

Stages: -1 data directories (local/prepare.py), 0 and 1 VAD, 2 LID, 3 recognition, 5 punctuation, those that the test
        needs; 6 scores and RESULTS.md

  --corpus DIR                 the corpus, as the recipe's README.md describes it
  --labels DIR                 labels of voice activity (fleurs_vad_102)
  --magichub DIR               corpora of MagicHub, as for egs/magichub (zh_dialects_lid)
  --models DIR                 released models                            [$models]
  --exp DIR                    where everything is written                [$exp]
  --sets \"NAME...\"             test sets                                  [${sets:-all that are there}]
  --allow-missing true|false   leave out utterances that lack audio or transcript     [$allow_missing]
  --stage N, --stop-stage N    first and last stage to run                [$stage, $stop_stage]
  --asr-type, --asr-config, --nj, --cmd, --python
                               as in the run.sh at the top"

TOP=$(cd "$recipe/../.." && pwd)
# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths corpus labels magichub models exp asr_config python
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

# Rules of scoring: the papers', the leaderboard's of SpeechIO, and the first one where Cantonese may be in either script.
# shellcheck disable=SC2034 # run.sh passes them on
papers="firered --number-normalization" speechio="speechio --normalizer speechio"
# shellcheck disable=SC2034
simplified="firered-t2s --number-normalization --t2s"

wanted() { # wanted <stage>: whether it is to be run
  [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]
}

# Sets that cannot be prepared do not stop the others; the exit status of the recipe tells of them.
prepared=0
prepare() {
  local options=(--sets "$sets")
  if [ "$allow_missing" = true ]; then options+=(--allow-missing); fi
  if wanted -1; then
    echo "stage -1: data directories -> $exp/<set>/data"
    rm -f "$exp/sets"
    attend python "$recipe/local/prepare.py" "${options[@]}" \
      ${corpus:+"$corpus"} ${labels:+"$labels"} ${magichub:+"$magichub"} "$exp" || prepared=$?
    if [ ! -f "$exp/sets" ]; then exit "$prepared"; fi
    sets=
  fi
  sets=${sets:-$(cat "$exp/sets")}
}

# run_stages <set> <first> <last> [options]: of the run.sh at the top, as far as they are wanted.
# Utterances that fail in them count as missing in the scores, which state their number.
run_stages() {
  local name=$1 first=$(($2 > stage ? $2 : stage)) last=$(($3 < stop_stage ? $3 : stop_stage))
  shift 3
  if [ "$first" -le "$last" ]; then
    attend bash "$TOP/run.sh" --exp "$exp/$name" --models "$models" --nj "$nj" ${cmd:+--cmd "$cmd"} \
      ${python:+--python "$python"} \
      --keep-going true --stage "$first" --stop-stage "$last" "$@"
  fi
}

# score <text|vad|lid|punc> <set> <found> <report> <system> <model> [options]: what is under $exp/<set>/<found> against
# $exp/<set>/data; system and options as firered-score has them.
score() {
  local kind=$1 name=$2 found=$3 report=$4 system=$5 model=$6
  shift 6
  if wanted 6; then
    echo "stage 6: scores of $name -> $exp/$name/$report"
    attend firered-score "$kind" "$exp/$name/data" "$exp/$name/$found" "$exp/$name/$report" \
      --test-set "$name" --system "$system" --model "$models/$model" "$@"
  fi
}

results() {
  local name scores=()
  if wanted 6; then
    for name in $sets; do scores+=("$exp/$name"); done
    firered-table --title "${recipe##*/}" "${scores[@]}" "$exp/RESULTS.md"
    echo "stage 6: table -> $exp/RESULTS.md"
  fi
  if [ "$prepared" -ne 0 ]; then
    echo "${0##*/}: not all of the test sets could be prepared: see the errors of stage -1 above" >&2
    exit "$prepared"
  fi
}

# The published name of the recognition model under $models.
recogniser() {
  python -c 'import sys; from firered.asr.families import find; print(find(*sys.argv[1:])[0].name)' "$models" "$asr_type"
}

recognise() { # recognise <rules...>: utterances as the corpus has them cut; each rule a name, and its options to score by
  local name rule options system=
  prepare
  for name in $sets; do
    run_stages "$name" 3 3 --vad false ${asr_type:+--asr-type "$asr_type"} --asr-config "$asr_config"
    if wanted 6; then system=$(recogniser); fi
    for rule in "$@"; do
      read -ra options <<<"$rule"
      score text "$name" asr "score/${options[0]}" "$system" "$system" "${options[@]:1}"
    done
  done
  results
}

identify() { # identify <label|language>: what is compared
  local name
  prepare
  for name in $sets; do
    run_stages "$name" 2 2 --vad false
    score lid "$name" lid score FireRedLID FireRedLID --level "$1"
  done
  results
}

detect() {
  local name
  prepare
  for name in $sets; do
    run_stages "$name" 0 1
    score vad "$name" vad score FireRedVAD FireRedVAD/VAD
  done
  results
}

punctuate() {
  local name
  prepare
  for name in $sets; do
    if wanted 5; then
      echo "stage 5: punctuation -> $exp/$name/punc"
      attend firered-punc --model "$models" --format kaldi --keep-going "$exp/$name/data/plain/text" "$exp/$name/punc"
    fi
    score punc "$name" punc score FireRedPunc FireRedPunc
  done
  results
}
