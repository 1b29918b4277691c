# shellcheck shell=bash
# What the recipes share. Each run.sh sets `recipe` to its folder, and before that perhaps `sets` to the test sets that
# make up its rows; it sources this file, which takes the options, and calls recognise, identify, detect or punctuate.

corpus=
labels=
magichub=
models=pretrained_models
model=
system=
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
  --model DIR                  one model, of this or another system, in the place of the one under --models
  --system NAME                what RESULTS.md calls it: the papers' name of a system, or a name of your own
                               [the published name of the model, else the name of its directory]
  --exp DIR                    where everything is written                [$exp]
  --sets \"NAME...\"             test sets                                  [${sets:-all that are there}]
  --allow-missing true|false   leave out utterances that lack audio or transcript     [$allow_missing]
  --stage N, --stop-stage N    first and last stage to run                [$stage, $stop_stage]
  --asr-type aed|llm|fun-asr   kind of recognition model                  [what --models holds, the first of these]
  --asr-config YAML            settings of recognition                    [conf/asr_<kind>.yaml]
  --nj, --cmd, --python        as in the run.sh at the top"

TOP=$(cd "$recipe/../.." && pwd)
# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths corpus labels magichub models model exp asr_config python
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

# Rules of scoring, each with the name of its report first: the papers', this project's, the SpeechIO leaderboard's, and
# for characters in either script. All Chinese sets have all of them, so that every rule has its averages.
papers="firered-released --normalizer firered-released --number-normalization"
# shellcheck disable=SC2034 # run.sh passes them on
chinese=("$papers" "firered --number-normalization" "speechio --normalizer speechio"
  "firered-t2s --number-normalization --t2s")
# shellcheck disable=SC2034
english=("$papers" firered "whisper-en --normalizer whisper-en")

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
    attend bash "$TOP/run.sh" --exp "$exp/$name" --models "${model:-$models}" --nj "$nj" ${cmd:+--cmd "$cmd"} \
      ${python:+--python "$python"} \
      --keep-going true --stage "$first" --stop-stage "$last" "$@"
  fi
}

# score <text|vad|lid|punc> <set> <found> <report> <model> [options]: what is under $exp/<set>/<found> against
# $exp/<set>/data; model, a directory, and options as firered-score has them.
score() {
  local kind=$1 name=$2 found=$3 report=$4 directory=$5
  shift 5
  if wanted 6; then
    echo "stage 6: scores of $name -> $exp/$name/$report"
    attend firered-score "$kind" "$exp/$name/data" "$exp/$name/$found" "$exp/$name/$report" \
      --test-set "$name" ${system:+--system "$system"} --model "$directory" "$@"
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

# directory_of <published name>: where the model lies that is no recogniser.
directory_of() {
  python -c 'import sys; from firered.hub.find import find_model; print(find_model(*sys.argv[1:]))' \
    "${model:-$models}" "$1"
}

# Sets `directory` and `family` to those of the recogniser.
find_recogniser() {
  local found
  found=$(python -c 'import sys; from firered.asr.families import find
directory, family = find(*sys.argv[1:])
print(family.name, directory)' "${model:-$models}" "$asr_type")
  family=${found%% *} directory=${found#* }
}

recognise() { # recognise <rules...>: utterances as the corpus has them cut; each rule a name, and its options to score by
  local name rule options family directory=
  prepare
  if wanted 3 || wanted 6; then
    find_recogniser
    # The settings of the published example, unless there are others.
    if [ -z "$asr_config" ] && [ -f "$TOP/conf/asr_$family.yaml" ]; then asr_config=$TOP/conf/asr_$family.yaml; fi
  fi
  for name in $sets; do
    run_stages "$name" 3 3 --vad false ${asr_type:+--asr-type "$asr_type"} --asr-config "$asr_config"
    for rule in "$@"; do
      read -ra options <<<"$rule"
      score text "$name" asr "score/${options[0]}" "$directory" "${options[@]:1}"
    done
  done
  results
}

identify() { # identify <label|language>: what is compared
  local name directory=
  prepare
  for name in $sets; do
    run_stages "$name" 2 2 --vad false
    if wanted 6; then directory=$(directory_of FireRedLID); fi
    score lid "$name" lid score "$directory" --level "$1"
  done
  results
}

detect() {
  local name directory=
  prepare
  for name in $sets; do
    run_stages "$name" 0 1
    if wanted 6; then directory=$(directory_of FireRedVAD/VAD); fi
    score vad "$name" vad score "$directory"
  done
  results
}

punctuate() {
  local name directory=
  prepare
  for name in $sets; do
    if wanted 5; then
      echo "stage 5: punctuation -> $exp/$name/punc"
      attend firered-punc --model "${model:-$models}" --format kaldi --keep-going "$exp/$name/data/plain/text" "$exp/$name/punc"
    fi
    if wanted 6; then directory=$(directory_of FireRedPunc); fi
    score punc "$name" punc score "$directory"
  done
  results
}
