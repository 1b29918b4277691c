# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # variables are those of recipe.sh
# Passes of recognition (--decode): utterances as a whole, in chunks as if they were spoken now, and live.
# Sourced by recipe.sh, which has the options.

passes=() # of offline, streaming and live, those that are asked for

# Sets `passes` to what --decode names.
find_passes() {
  local word
  for word in $decode; do
    case $word in
      offline | streaming | live) passes+=("$word") ;;
      both) passes+=(offline streaming) ;;
      all) passes+=(offline streaming live) ;;
      *) passes=() && break ;;
    esac
  done
  if [ ${#passes[@]} -eq 0 ]; then
    echo "recipe: --decode: '$decode' is not made of offline, streaming, live, both (offline and streaming) and all" >&2
    exit 1
  fi
  if ! pass_wanted offline && [ "$itn" = true ]; then
    echo "recipe: --itn: has no effect without --decode offline" >&2
    exit 1
  fi
  if ! pass_wanted streaming && [ -n "$streaming_config" ]; then
    echo "recipe: --streaming-config: has no effect without --decode streaming" >&2
    exit 1
  fi
  if [ "${passes[*]}" = offline ] && [ -n "$chunk_seconds" ]; then
    echo "recipe: --chunk-seconds: has no effect without --decode streaming or live" >&2
    exit 1
  fi
}

pass_wanted() { [[ " ${passes[*]} " == *" $1 "* ]]; }

# Ends the recipe where another pass than that over whole utterances is asked of what has no other.
offline_alone() { # offline_alone <what>
  if [ "$decode" != offline ]; then
    echo "recipe: --decode $decode: $1" >&2
    exit 1
  fi
}

# Ends the recipe before anything is decoded where the recogniser has no streaming pass.
check_streaming() {
  local reason
  if ! pass_wanted streaming; then return; fi
  reason=$(recogniser.py streams "$directory" "$family")
  if [ -n "$reason" ]; then
    echo "recipe: --decode $decode: no streaming pass: $reason" >&2
    exit 1
  fi
  streaming_config=${streaming_config:-$TOP/conf/asr_${family}_streaming.yaml}
}

# settings_of <yaml> <option:...>: its lines but those of the options.
settings_of() {
  local one words=(-e '^#')
  for one in "${@:2}"; do words+=(-e "^$one"); done
  grep -v "${words[@]}" "$1" || true
}

# A set in chunks: a system of its own in RESULTS.md, under $exp/<set>/streaming.
recognise_streaming() { # recognise_streaming <set>
  local system=$system settings=$exp/streaming.yaml
  name_system
  system+=" streaming"
  mkdir -p "$exp/$1/streaming"
  ln -sfn ../data "$exp/$1/streaming/data"
  {
    settings_of "$streaming_config" streaming: ${chunk_seconds:+chunk_seconds:}
    echo "streaming: true${chunk_seconds:+$'\n'chunk_seconds: $chunk_seconds}"
  } >"$settings"
  recognise_set "$1" "$settings" streaming
}

# A set through `firered live`, each utterance a stream: the texts of the finals, under $exp/<set>/live.
recognise_live() { # recognise_live <set>
  local system=$system part=live/ settings=$exp/live.yaml words=()
  name_system
  system+=" live final"
  if wanted 3; then
    echo "stage 3: live recognition -> $exp/$1/live/asr"
    echo "asr:" >"$settings"
    if [ -n "$asr_config" ]; then settings_of "$asr_config" | sed 's/^/  /' >>"$settings"; fi
    if [ "$family" = aed ] && [ -n "$chunk_seconds" ]; then words+=(--chunk-s "$chunk_seconds"); fi
    if [ "$(recogniser.py language "$directory" "$family")" = yes ]; then
      words+=(--asr-language "$(awk 'NR == 1 { print $2 }' "$exp/$1/data/utt2lang")")
    fi
    attend firered live --models "$models" --asr-model "$directory" --asr-type "$family" --no-lid --no-punc \
      --config "$settings" --segments --behind-s inf --keep-going "${words[@]}" -o "$exp/$1/live/asr" "$exp/$1/data"
  fi
  score_texts "$1" "$directory"
}
