# shellcheck shell=bash
# What the recipes share. Each run.sh sets `recipe` to its folder, and before that perhaps `sets` to the test sets that
# make up its rows; it sources this file, which takes the options, and calls recognise, identify, detect or punctuate.

corpus=
labels=
# shellcheck disable=SC2034 # run.sh of fleurs_vad_102 has it
annotate=
magichub=
lists=
without_lists=true
noise=
snrs="20 15 10 5 0"
noise_seed=0
models=pretrained_models
model=
system=
hyp=
exp=exp/$(basename "${recipe:?}")
sets=${sets:-}
stage=-1
stop_stage=6
nj=1
cmd=
asr_type=
asr_config=
decode=offline
chunk_seconds=
streaming_config=
itn=false
allow_missing=false
python=

help_message="Usage: bash egs/${recipe##*/}/run.sh --corpus <folder of the corpus> [--models <folder>] [options]

Stages: -1 data directories (local/prepare.py), 0 and 1 VAD, 2 LID, 3 recognition, 5 punctuation, those that the test
        needs; 6 scores and RESULTS.md

  --corpus DIR                 the corpus, as the recipe's README.md describes it
  --labels DIR                 labels of voice activity (fleurs_vad_102)
  --annotate DIR               draw recordings to be labelled by hand into this folder, with drafts, and score nothing
                               (fleurs_vad_102)
  --magichub DIR               corpora of MagicHub, as for egs/magichub (zh_dialects_lid)
  --lists DIR                  lists of hotwords, as the recipe's README.md describes them (aishell_hotword,
                               librispeech_hotword)
  --without-lists true|false   beside the rows of recognition with lists, those of the same model without any, under the
                               system's name and \`without lists\`          [$without_lists]
  --noise DIR                  recordings of noise that the corpus, any data directory, is mixed with (noise)
  --snrs \"DB...\", --noise-seed N
                               ratios of those mixes, and the draw of their noise  [$snrs, $noise_seed]
  --models DIR                 released models                            [$models]
  --model DIR                  one model, of this or another system, in the place of the one under --models
  --system NAME                what RESULTS.md calls it: the papers' name of a system, or a name of your own
                               [the published name of the model, else the name of its directory].
                               Or systems to run in its place, by their names in \`firered-peer --list\`, several between
                               blanks; \`firered\` among them is the model
  --hyp FILE                   results that were made elsewhere, by the system that --system names: no model is run. A
                               file where there is one set, \"set=FILE,set=FILE\", or a folder with a file <set> or
                               <set>.<anything> for each: Kaldi text; utt2lang; RTTM or segments; punctuated text
  --exp DIR                    where everything is written                [$exp]
  --sets \"NAME...\"             test sets                                  [${sets:-all that are there}]
  --itn true|false             beside the rows of text as it is spoken, those of text as it is written: with numbers in
                               digits, marks and capitals (models that can do both, such as Fun-ASR-Nano) [$itn]
  --allow-missing true|false   leave out utterances that lack audio or transcript     [$allow_missing]
  --stage N, --stop-stage N    first and last stage to run                [$stage, $stop_stage]
  --asr-type aed|llm|fun-asr|transformers
                               kind of recognition model                  [what --models holds, the first of these]
  --asr-config YAML            settings of recognition                    [conf/asr_<kind>.yaml]
  --decode offline|streaming|live|both|all
                               how speech is recognised, several between blanks. offline: utterances as a whole;
                               streaming: in chunks, as if they were spoken now, nothing decoded again (an AED that was
                               trained for chunks, Fun-ASR-Nano), rows \`<system> streaming\`; live: by \`firered live\`
                               with the streaming VAD of --models, rows \`<system> live final\`; both: offline and
                               streaming; all: all three                  [$decode]
  --chunk-seconds S            of these chunks                            [0.64; Fun-ASR-Nano: 0.72]
  --streaming-config YAML      settings of the streaming pass             [conf/asr_<kind>_streaming.yaml]
  --nj, --cmd, --python        as in the run.sh at the top"

TOP=$(cd "$recipe/../.." && pwd)
# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths corpus labels annotate magichub lists noise models model hyp exp asr_config streaming_config python
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
# shellcheck source=egs/common/systems.sh
. "$TOP/egs/common/systems.sh"
# shellcheck source=egs/common/passes.sh
. "$TOP/egs/common/passes.sh"

# Rules of scoring, each with the name of its report first: the papers', this project's, the SpeechIO leaderboard's, and
# for characters in either script. All Chinese sets have all of them, so that every rule has its averages.
papers="firered-released --normalizer firered-released --number-normalization"
# shellcheck disable=SC2034 # run.sh passes them on
chinese=("$papers" "firered --number-normalization" "speechio --normalizer speechio"
  "firered-t2s --number-normalization --t2s")
# shellcheck disable=SC2034
english=("$papers" firered "whisper-en --normalizer whisper-en")
# Of other languages the digits are not read in Chinese.
others=("firered-released --normalizer firered-released" firered)

wanted() { # wanted <stage>: whether it is to be run
  [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]
}

# Sets that cannot be prepared do not stop the others; the exit status of the recipe tells of them.
prepared=0
prepare() {
  local options=(--sets "$sets")
  if [ "$allow_missing" = true ]; then options+=(--allow-missing); fi
  if [ -n "$noise" ]; then options+=(--noise "$noise" --snrs "$snrs" --noise-seed "$noise_seed"); fi
  if wanted -1; then
    echo "stage -1: data directories -> $exp/<set>/data"
    rm -f "$exp/sets"
    attend python "$recipe/local/prepare.py" "${options[@]}" \
      ${corpus:+"$corpus"} ${labels:+"$labels"} ${magichub:+"$magichub"} ${lists:+"$lists"} "$exp" || prepared=$?
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

# score <text|vad|lid|punc> <set> <found> <report> <model> [options]: what is under $exp/<set>/$part<found> against
# $exp/<set>/data, or what was made elsewhere; model, a directory, and options as firered-score has them.
score() {
  local kind=$1 name=$2 found=$exp/$2/$part$3 report=$exp/$2/$part$4 directory=$5
  shift 5
  if ! wanted 6; then return; fi
  echo "stage 6: scores of $name -> $report"
  if [ -n "$made" ]; then found=$made; fi
  attend firered-score "$kind" "$exp/$name/data" "$found" "$report" --test-set "$name" ${system:+--system "$system"} \
    ${directory:+--model "$directory"} ${made:+--allow-extra} "$@" || {
    if [ -z "$made" ]; then exit 1; fi
    failed=1 # one file in a wrong form does not stop the others
  }
}

results() {
  local name scores=()
  if wanted 6; then
    for name in $sets; do
      if [ "$failed" -eq 0 ] || [ -n "$(find "$exp/$name" -name score.json -print -quit)" ]; then
        scores+=("$exp/$name")
      fi
    done
    if [ ${#scores[@]} -gt 0 ]; then
      firered-table --title "${recipe##*/}" "${scores[@]}" "$exp/RESULTS.md"
      echo "stage 6: table -> $exp/RESULTS.md"
    fi
  fi
  if [ "$prepared" -ne 0 ]; then
    echo "${0##*/}: not all of the test sets could be prepared: see the errors of stage -1 above" >&2
    exit "$prepared"
  fi
  if [ "$failed" -ne 0 ]; then
    echo "${0##*/}: not all systems could be run and scored on all sets: see the errors above" >&2
    exit 1
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

# Sets `own` to those of a set's language, which its data directory gives.
rules_of() { # rules_of <set>
  local language
  language=$(awk 'NR == 1 { print $2 }' "$exp/$1/data/utt2lang")
  case $language in
    zh* | yue*) own=("${chinese[@]}") ;;
    en*) own=("${english[@]}") ;;
    *) own=("${others[@]}") ;;
  esac
}

# recognise_set <set> <settings> [part]: recognised to $exp/<set>/asr and scored; a part has its own folder there.
recognise_set() {
  local part=${3:+$3/}
  run_stages "$1${3:+/$3}" 3 3 --vad false ${asr_type:+--asr-type "$asr_type"} --asr-config "$2"
  score_texts "$1" "$directory"
}

# Sets `listed` to the options by which the hotwords of a set are scored, where its data directory has lists.
hotwords_of() { # hotwords_of <set>
  local data=$exp/$1/data
  listed=()
  if [ -d "$data/hotwords" ]; then listed+=(--hotwords "$data/hotwords"); fi
  if [ -f "$data/hotwords_r1.txt" ]; then listed+=(--hotword-r1 "$data/hotwords_r1.txt"); fi
}

score_texts() { # score_texts <set> [model]: by each of `rules`, or those of the set's language
  local rule options listed own=("${rules[@]}")
  if ! wanted 6; then return; fi
  if [ "${rules[0]}" = by_language ]; then rules_of "$1"; fi
  hotwords_of "$1"
  for rule in "${own[@]}"; do
    read -ra options <<<"$rule"
    score text "$1" asr "score/${options[0]}" "${2-}" "${options[@]:1}" "${listed[@]}"
  done
}

check_itn() { # check_itn <family>: whether its models can write text in two ways
  python -c 'import sys; from firered.asr.families import named
if "itn" not in named(sys.argv[1]).config.names():
    sys.exit(f"recipe: --itn: models of the kind {sys.argv[1]} have no such option, unlike those of the kind fun-asr")' "$1"
}

# Sets `system` to what RESULTS.md calls the recogniser, where it has no name yet.
name_system() {
  if [ -z "$system" ]; then
    system=$(python -c 'import sys; from firered.hub.find import system_name; print(system_name(sys.argv[1]))' "$directory")
  fi
}

# A set once more, its text as it is written: a system of its own in RESULTS.md, under $exp/<set>/itn.
recognise_written() { # recognise_written <set>
  local system=$system
  name_system
  system+=" with ITN"
  mkdir -p "$exp/$1/itn"
  ln -sfn ../data "$exp/$1/itn/data"
  { if [ -n "$asr_config" ]; then settings_of "$asr_config" itn:; fi && echo 'itn: true'; } >"$exp/itn.yaml"
  recognise_set "$1" "$exp/itn.yaml" itn
}

# A set once more, without its lists of hotwords: a system of its own in RESULTS.md, under $exp/<set>/without_lists.
recognise_without_lists() { # recognise_without_lists <set>
  local system=$system path data=$exp/$1/without_lists/data
  name_system
  system+=" without lists"
  rm -rf "$data"
  mkdir -p "$data"
  for path in "$exp/$1/data"/*; do
    case ${path##*/} in
      hotwords* | *2hotwords) ;;
      *) ln -s "../../data/${path##*/}" "$data/${path##*/}" ;;
    esac
  done
  recognise_set "$1" "$asr_config" without_lists
}

recognise_own() { # recognise_own <set>
  if pass_wanted offline; then recognise_offline "$1"; fi
  if pass_wanted streaming; then recognise_streaming "$1"; fi
  if pass_wanted live; then recognise_live "$1"; fi
}

recognise_offline() { # recognise_offline <set>: and the rows beside that of its utterances as a whole
  recognise_set "$1" "$asr_config"
  if [ "$itn" = true ]; then recognise_written "$1"; fi
  if [ "$without_lists" = true ] && [ -d "$exp/$1/data/hotwords" ] && [ -n "$directory" ]; then
    recognise_without_lists "$1"
  fi
}

# recognise <rules...|by_language>: utterances as the corpus has them cut; each rule a name, and its options to score by;
# by_language: the rules of each set's language.
recognise() {
  local rules=("$@") family directory=
  find_passes
  find_asked asr
  if ! own_wanted; then offline_alone "other systems, and results from elsewhere, have no other pass"; fi
  prepare
  if own_wanted && { wanted 3 || wanted 6; }; then
    find_recogniser
    check_streaming
    # The settings of the published example, unless there are others.
    if [ -z "$asr_config" ] && [ -f "$TOP/conf/asr_$family.yaml" ]; then asr_config=$TOP/conf/asr_$family.yaml; fi
    if [ "$itn" = true ]; then check_itn "$family"; fi
  fi
  of_systems asr 3 recognise_own score_texts
  results
}

# identify <label|language>: what is compared.
identify() {
  local level=$1
  offline_alone "this recipe recognises no text"
  prepare
  find_asked lid
  of_systems lid 2 identify_set score_languages
  results
}

identify_set() { # identify_set <set>
  run_stages "$1" 2 2 --vad false
  if wanted 6; then score_languages "$1" "$(directory_of FireRedLID)"; fi
}

score_languages() { # score_languages <set> [model]
  score lid "$1" lid score "${2-}" --level "$level"
}

detect() {
  offline_alone "this recipe recognises no text"
  prepare
  find_asked vad
  of_systems vad 1 detect_set score_activity
  results
}

detect_set() { # detect_set <set>
  run_stages "$1" 0 1
  if wanted 6; then score_activity "$1" "$(directory_of FireRedVAD/VAD)"; fi
}

score_activity() { # score_activity <set> [model]
  score vad "$1" vad score "${2-}"
}

punctuate() {
  offline_alone "this recipe recognises no text"
  prepare
  find_asked punc
  of_systems punc 5 punctuate_set score_marks
  results
}

punctuate_set() { # punctuate_set <set>
  if wanted 5; then
    echo "stage 5: punctuation -> $exp/$1/punc"
    attend firered-punc --model "${model:-$models}" --format kaldi --keep-going "$exp/$1/data/plain/text" "$exp/$1/punc"
  fi
  if wanted 6; then score_marks "$1" "$(directory_of FireRedPunc)"; fi
}

score_marks() { # score_marks <set> [model]
  score punc "$1" punc score "${2-}"
}
