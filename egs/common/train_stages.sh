# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of train.sh
# The stages of recipes that train. Sourced by train.sh, which has the options.

# Rule of scoring: the papers', so that figures may stand beside theirs.
rule=${rule:-firered-released --normalizer firered-released --number-normalization}
cmd=${cmd:-}

task_of() { # task_of <system>: as its settings have it
  awk '$1 == "task:" { print $2; exit }' "$conf/$1.yaml"
}

check_options() {
  local name
  if [ -f "$conf/$init.yaml" ]; then init=exp/$init; else absolute init; fi # a system that is trained before, or a folder
  case $features in none | fbank | shards) ;; *) fail "--features: '$features' is not none, fbank or shards" ;; esac
  for name in $systems; do
    if [ ! -f "$conf/$name.yaml" ]; then
      fail "--systems: no settings $conf/$name.yaml; there are $(cd "$conf" && echo *.yaml)"
    fi
    case $(task_of "$name") in
      aed) recognisers+=("$name") ;;
      llm) speech_llms+=("$name") ;;
      *) fail "--systems: $conf/$name.yaml is no recogniser: its task is neither aed nor llm" ;;
    esac
  done
  if [ ${#speech_llms[@]} -gt 0 ] && [ -z "$aed" ]; then
    aed=${recognisers[0]:-}
    if [ -z "$aed" ]; then fail "--aed: a speech-LLM needs a system that its encoder comes from"; fi
  fi
  check_models
}

# What a late stage needs has to be there before hours of training.
check_models() {
  local name
  for name in "${recognisers[@]}"; do
    if starts "$name" && in_range 4 && [[ $init == /* ]] && [ ! -d "$init" ]; then
      fail "--init: $name starts from a model, and there is none in $init"
    fi
  done
  if [ ${#speech_llms[@]} -gt 0 ] && in_range 6 && [[ $llm != small* ]] && [ ! -f "$llm/config.json" ]; then
    fail "--llm: no language model (config.json) in $llm; get one, or leave ${speech_llms[*]} out of --systems"
  fi
}

in_range() { [ "$stage" -le "$1" ] && [ "$stop_stage" -ge "$1" ]; } # in_range <stage>

starts() { grep -q '\binit:' "$conf/$1.yaml"; } # starts <recogniser>: whether it starts from a model
recognisers=() speech_llms=()

# Sets `learnt`, `dev` and `tested` to the names of the sets.
name_sets() {
  read -ra learnt <<<"$train_sets"
  read -ra dev <<<"$dev_sets"
  read -ra tested <<<"$test_sets"
  if [ ${#learnt[@]} -eq 0 ] || [ ${#tested[@]} -eq 0 ]; then fail "--train-sets and --test-sets: no set is named"; fi
  wanted=("${learnt[@]}" "${dev[@]}" "${tested[@]}") # as the corpus has them
  if [ ${#dev[@]} -gt 0 ]; then return; fi
  if [ "$hold_out" -lt 1 ]; then fail "--dev-sets: no set is named; --hold-out N takes utterances of the training set"; fi
  first=${learnt[0]}
  learnt[0]=$first-rest
  dev=("$first-held")
}

data_of() { printf 'data/%s/data\n' "$@"; }

# read_of <set...>: the directories that trainings read, between blanks.
read_of() {
  local name found=()
  for name in "$@"; do
    case $features in
      none) found+=("data/$name/data") ;;
      *) found+=("$features/$name") ;;
    esac
  done
  echo "${found[*]}"
}

each_recogniser() { # each_recogniser <function>: is given each system that is one
  local name
  for name in "${recognisers[@]}"; do "$1" "$name"; done
}

each_speech_llm() { # each_speech_llm <function>
  local name
  for name in "${speech_llms[@]}"; do "$1" "$name"; done
}

model_of() { # model_of <recogniser>: the folder that is decoded with: that with the head, if it has one of its own
  if [ -f "$conf/$1_ctc.yaml" ]; then echo "exp/$1_ctc"; else echo "exp/$1"; fi
}

# parts <name> <source> <output> <command...>: on parts of a data directory, through --cmd.
parts() {
  nj=$nj cmd=${cmd:-$TOP/utils/run.py} models=${models:-/nowhere} task "$1" bash "$common/parts.sh" "${@:2}"
}

# once_for <file> <name> <command...>: unless the same command has made the file before.
once_for() {
  local file=$1 words="${*:3}"
  if [ -e "$file" ] && [ "$(cat "$file.made" 2>/dev/null)" = "$words" ]; then
    echo "  $2: done and current"
    return
  fi
  task "${@:2}"
  printf '%s\n' "$words" >"$file.made"
}

find_corpus() {
  if [ -n "$corpus" ]; then return; fi
  if [ ! -f "$recipe/local/download.sh" ]; then
    fail "--corpus: ${recipe##*/} cannot be fetched by a script; $recipe/README.md says how to get it"
  fi
  progress=. task download bash "$recipe/local/download.sh" corpus ${mirror:+"$mirror"}
}

prepare_data() {
  local missing=() more
  read -ra more <<<"$prepare_options"
  if [ "$allow_missing" = true ]; then missing=(--allow-missing); fi
  progress='warning|error' task prepare python "$recipe/local/prepare.py" --sets "${wanted[*]}" "${missing[@]}" \
    "${more[@]}" "${corpus:-corpus}" data
  if [ -n "${first:-}" ]; then
    task hold_out python "$common/hold_out.py" "data/$first/data" "$hold_out" "data/${learnt[0]}/data" "data/${dev[0]}/data"
  fi
  mapfile -t words < <(data_of "${wanted[@]}" "${learnt[@]}" "${dev[@]}" | awk '!seen[$0]++')
  progress=. task counts python "$common/counts.py" data/counts.tsv "${words[@]}"
}

make_features() {
  local name
  if [ "$features" = none ]; then return; fi
  for name in "${learnt[@]}" "${dev[@]}"; do
    if [ "$features" = fbank ]; then
      parts "fbank_$name" "data/$name/data" "fbank/$name" firered-fbank @in @out
    else
      task "shards_$name" firered-shards "data/$name/data" "shards/$name"
    fi
  done
}

make_tokens() {
  mapfile -t words < <(data_of "${learnt[@]}")
  once_for exp/tokens/dict.txt tokens firered-tokens "${words[@]}" exp/tokens --pieces "$pieces"
}

# sets_for <directory function>: the settings that name the sets.
sets_for() {
  echo "data.train=$("$1" "${learnt[@]}" | xargs)"
  echo "data.dev=$("$1" "${dev[@]}" | xargs)"
}

train_lm() {
  local text file
  if [ "$lm" = false ]; then return; fi
  text=$(data_of "${learnt[@]}" | xargs)
  for file in $lm_text; do # a language model that has read the test set flatters every system
    case $(realpath -- "$file") in
      *"$PWD/data/"*) fail "--lm-text: $file is a set of the corpus; training sets are read in any case, test sets never" ;;
    esac
    text+=" $(realpath -- "$file")"
  done
  trained lm "$conf/lm.yaml" "data.train=$text" "data.dev=$(data_of "${dev[@]}" | xargs)" data.tokens=exp/tokens
}

train_recogniser() { # train_recogniser <system>
  local changes
  mapfile -t changes < <(sets_for read_of)
  if starts "$1"; then
    changes+=("model.init=$init")
  else
    changes+=(data.tokens=exp/tokens)
  fi
  trained "$1" "$conf/$1.yaml" "${changes[@]}"
}

train_head() { # train_head <recogniser>: where it has settings of one; encoder and decoder have to stay as they are
  local changes
  if [ ! -f "$conf/$1_ctc.yaml" ]; then return; fi
  mapfile -t changes < <(sets_for read_of)
  trained "$1_ctc" "$conf/$1_ctc.yaml" "${changes[@]}" "model.init=exp/$1"
  progress=. task "same_$1" python "$common/same_weights.py" "exp/$1" "exp/$1_ctc"
}

train_speech_llm() { # train_speech_llm <system>
  local changes steps
  if [[ $llm == small* ]]; then # of training text alone, as the other language model
    steps=${llm#small} steps=${steps#:}
    task small_llm python "$common/small_llm.py" "$(data_of "${learnt[0]}")" exp/small_llm --steps "${steps:-700}"
  fi
  mapfile -t changes < <(sets_for read_of)
  trained "$1" "$conf/$1.yaml" "${changes[@]}" "model.encoder=exp/$aed" "model.llm=$(llm_folder)"
}

llm_folder() {
  if [[ $llm == small* ]]; then echo exp/small_llm; else echo "$llm"; fi
}

# decoded <system> <model> <mode> <options...>: all test sets, to exp/decode/<system>/<mode>/<set>.
decoded() {
  local name threads=0 models=$2
  if [ "$nj" -gt 1 ]; then threads=1; fi
  for name in "${tested[@]}"; do
    parts "decode_$1_$3_$name" "data/$name/data" "exp/decode/$1/$3/$name" \
      firered-asr --model "$2" --num-threads "$threads" "${@:4}" @in @out
  done
}

modes_of() { # modes_of <recogniser>: those that its model can do, a line each
  local mode
  for mode in $modes; do
    case $mode in
      attention) if ! has_decoder "$1"; then continue; fi ;;
      ctc | ctc_prefix) if ! has_head "$1"; then continue; fi ;;
      *) if ! has_decoder "$1" || ! has_head "$1"; then continue; fi ;;
    esac
    echo "$mode"
    if [ "$lm" = true ] && [[ $mode =~ ^(attention|joint)$ ]]; then echo "${mode}_lm"; fi
  done
}

weight_of() { # weight_of <recogniser>: share of the CTC loss in its training
  grep -oE '\bctc_weight: *[0-9.]+' "$conf/$1.yaml" | grep -oE '[0-9.]+$' || echo 0
}
has_decoder() { awk -v weight="$(weight_of "$1")" 'BEGIN { exit weight == 1 }'; } # trained on CTC alone, it knows nothing
has_head() { [ -f "$conf/$1_ctc.yaml" ] || awk -v weight="$(weight_of "$1")" 'BEGIN { exit weight == 0 }'; }

decode_modes() { # decode_modes <recogniser>
  local mode own
  for mode in $(modes_of "$1"); do
    own=(--mode "${mode%_lm}")
    case $mode in
      attention*) own+=(--beam-size "$beam") ;;
      joint*) own+=(--beam-size "$beam" --ctc-weight "$ctc_weight") ;;
      ctc_prefix) own+=(--ctc-beam-size "$beam") ;;
      rescore) own+=(--ctc-beam-size "$beam" --ctc-weight "$ctc_weight") ;;
    esac
    if [[ $mode == *_lm ]]; then own+=(--elm-dir exp/lm --elm-weight "$lm_weight"); fi
    decoded "$1" "$(model_of "$1")" "$mode" "${own[@]}"
  done
}

decode_llm() { decoded "$1" "exp/$1" llm --type llm; } # decode_llm <system>

align_set() { # align_set <recogniser> <set>
  local models
  models=$(model_of "$1")
  parts "align_$1_$2" "data/$2/data" "exp/align/$1/$2" firered-align --model "$models" @in @in/text @out
}

align_sets() { # align_sets <recogniser>
  local name
  if ! has_head "$1"; then return; fi
  for name in "${dev[@]}"; do # where in a word a head has its frames is an accident of its training
    if [ -f "$times/$name/ctm" ]; then
      align_set "$1" "$name"
      task "lead_$1" python "$common/set_ctc_lead.py" "$times/$name/ctm" "exp/align/$1/$name/ctm" "$(model_of "$1")"
    fi
  done
  for name in "${tested[@]}"; do align_set "$1" "$name"; done
}

# scored <system> <model> <mode>
scored() {
  local name shown options
  read -ra options <<<"$rule"
  for name in "${tested[@]}"; do
    shown=$name
    if [[ " ${learnt[*]} ${first:-} " == *" $name "* ]]; then shown="$name (trained on)"; fi
    task "score_$1_$3_$name" firered-score text "data/$name/data" "exp/decode/$1/$3/$name" "exp/score/$1/$3/$name" \
      --test-set "$shown" --system "$1, $3" --model "$2" "${options[@]:1}"
  done
}

score_recogniser() { # score_recogniser <recogniser>
  local mode name
  for mode in $(modes_of "$1"); do scored "$1" "$(model_of "$1")" "$mode"; done
  for name in "${tested[@]}"; do
    if [ -f "$times/$name/ctm" ] && [ -f "exp/align/$1/$name/ctm" ]; then
      progress=. task "boundaries_$1_$name" python "$common/boundary_errors.py" "$times/$name/ctm" \
        "exp/align/$1/$name/ctm" "exp/boundaries/$1/$name"
    fi
  done
}

score_llm() { scored "$1" "exp/$1" llm; } # score_llm <system>

write_results() {
  local folders note=$conf/note.md
  # Beside the papers' figures each system by its decoder, as theirs are, or else by its head.
  mapfile -t folders < <(for name in $systems; do
    find exp/score/"$name"/{llm,attention,ctc} -maxdepth 0 2>/dev/null | head -n 1 || true # of the others there are none
  done)
  firered-table --title "Beside the papers' figures" --bootstrap 0 "${folders[@]}" exp/table.md
  if [ ! -f "$note" ]; then note=; fi
  python "$common/train_results.py" . "${recipe##*/}" RESULTS.md --corpus "$anchors" --note "$note" \
    --script "${0##*/}"
  echo "  $PWD/RESULTS.md"
}
