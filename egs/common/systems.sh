# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables are those of recipe.sh
# Systems other than the model of --models: those that firered-peer runs, and those whose results are files (--hyp).
# Sourced by recipe.sh, which has the options. What is of such a system is under $exp/<set>/systems/<system>.

asked=()  # systems that --system names, `firered` for this project's own; none where it says what the model is called
part=      # folder under $exp/<set> of the system that is run or scored
made=      # the file or folder that --hyp has for the set that is scored
failed=0   # whether a system could not be run, or a set not be scored

recipe_python() { # recipe_python <code> <words...>: an error of ours is said in a line
  python -c "import sys
from firered.errors import FireRedError
try:
$1
except FireRedError as error:
    sys.exit(f'recipe: {error}')" "${@:2}"
}

find_asked() { # find_asked <vad|lid|punc|asr>
  local found
  if [ -n "$hyp" ] && [ -z "$system" ]; then
    echo "recipe: --hyp: say with --system what RESULTS.md is to call the system that made it" >&2
    exit 1
  fi
  if [ -n "$system" ] && [ -z "$hyp" ]; then
    found=$(recipe_python '    from firered.peers import chosen
    print(*chosen(*sys.argv[1:]))' "$1" "$system")
    read -ra asked <<<"$found"
  fi
}

# Whether the model of --models is run and scored.
own_wanted() {
  [ -z "$hyp" ] && { [ ${#asked[@]} -eq 0 ] || [[ " ${asked[*]} " == *" firered "* ]]; }
}

folder_of() { # folder_of <system>: its folder under $exp/<set>, whatever characters its name has
  recipe_python '    from firered.data.names import file_names
    print("systems/" + file_names(sys.argv[1:])[sys.argv[1]])' "$1"
}

# of_systems <vad|lid|punc|asr> <stage> <own> <scores>: for each set what is asked for. `own` runs and scores the model,
# `scores` what lies in the folder of the kind under $part, or is `made` elsewhere; both are given the set.
of_systems() {
  local name one
  for name in $sets; do
    if [ -n "$hyp" ]; then
      score_given "$name" "$4"
    elif [ ${#asked[@]} -eq 0 ]; then
      "$3" "$name"
    fi
    for one in "${asked[@]}"; do
      if [ "$one" = firered ]; then system='' "$3" "$name"; else run_other "$1" "$2" "$one" "$name" "$4"; fi
    done
  done
}

run_other() { # run_other <kind> <stage> <system> <set> <scores>
  local kind=$1 at=$2 system=$3 name=$4 part own=() input
  part=$(folder_of "$system")/
  if [ "${#asked[@]}" -eq 1 ] && [ -n "$model" ]; then
    own=(--model "$model")
    system+=" ($(basename "$model"))" # other weights than those that the tables may have
  fi
  if wanted "$at"; then
    echo "stage $at: $3 -> $exp/$name/$part$kind"
    input=$exp/$name/data
    if [ "$kind" = punc ]; then input=$exp/$name/data/plain/text own+=(--format kaldi); fi
    if ! attend firered-peer "$kind" "$3" --models "$models" "${own[@]}" --keep-going "$input" "$exp/$name/$part$kind"; then
      failed=1 # one that cannot be run does not stop the others
      return
    fi
  fi
  "$5" "$name"
}

score_given() { # score_given <set> <scores>
  local part made
  if ! wanted 6; then return; fi
  part=$(folder_of "$system")/
  rm -rf "${exp:?}/$1/${part}score"
  # shellcheck disable=SC2086 # names of sets are words
  if made=$(recipe_python '    from firered.scoring.inputs.given import given_for
    print(given_for(sys.argv[1], sys.argv[2], sys.argv[3:]))' "$hyp" "$1" $sets); then
    plain_paths made
    "$2" "$1"
  else
    failed=1
  fi
}
