# shellcheck shell=bash
# shellcheck disable=SC2154 # variables of run.sh
# What all parts share: data directories, features, dictionaries, a small language model. See run.sh for the variables.

# set_of <corpus> <train|dev|test>: prints its data directory.
set_of() {
  case $1 in
    fsdd) echo "data/fsdd/official/$2" ;;
    mini) echo "$mini/data/$2" ;;
    *)
      echo "$0: --corpora: there is no corpus $1" >&2
      return 1
      ;;
  esac
}

# features <corpus> <train|dev>: prints the folder of its features.
features() { echo "feats/$1_$2"; }

llm=exp/llm # a small language model of the architecture of Qwen3

prepare_fsdd() {
  if [ -z "$fsdd" ]; then
    fsdd=data/corpus
    if [ ! -d "$fsdd" ]; then
      git clone --depth 1 https://github.com/Jakobovski/free-spoken-digit-dataset.git "$fsdd"
    fi
  fi
  once fsdd python "$TOP/egs/fsdd/local/prepare.py" "$fsdd" data/fsdd
}

# small_llm <name> <folder> <steps>: a language model of the corpora's texts, and of those of egs/mini that it has for one.
small_llm() {
  local corpus texts=()
  for corpus in "${corpora[@]}"; do texts+=("$(set_of "$corpus" train)"); done
  if [ -f "$mini/data/lm_train/text" ] && [ "$quick" = false ]; then texts+=("$mini/data/lm_train"); fi
  PYTHONPATH=$TOP/egs/common once "$1" python "$here/local/small_qwen3.py" "${texts[@]}" "$2" --steps "$3"
}

common_stages() {
  local corpus name steps=400
  if [ "$quick" = true ]; then steps=2; fi
  if in_stage 0 "data directories -> data"; then
    for corpus in "${corpora[@]}"; do
      if [ "$corpus" = fsdd ]; then prepare_fsdd; fi
      if [ ! -f "$(set_of "$corpus" train)/text" ]; then
        echo "$0: $(set_of "$corpus" train): missing; run egs/mini/run.sh --stop-stage 0, or give --mini or --corpora" >&2
        exit 1
      fi
    done
  fi
  if in_stage 1 "features -> feats, dictionaries -> exp/tokens, language model -> $llm"; then
    for corpus in "${corpora[@]}"; do
      for name in train dev; do
        once "fbank_${corpus}_$name" firered-fbank "$(set_of "$corpus" "$name")" "$(features "$corpus" "$name")"
      done
      once "tokens_$corpus" firered-tokens "$(set_of "$corpus" train)" "exp/tokens/$corpus" --pieces 40
    done
    small_llm llm "$llm" "$steps"
  fi
}

# The models of egs/mini, which some parts train further.
# shellcheck disable=SC2034 # these parts use them
aed=$TOP/egs/mini/models/FireRedASR2-AED
# shellcheck disable=SC2034
speech_llm=$TOP/egs/mini/models/FireRedASR2-LLM

# has_mini <part>: whether the corpus of egs/mini is there, without which the recipe ends; with --quick the part is left out.
has_mini() {
  if [ -f "$mini/data/train/text" ]; then return; fi
  if [ "$quick" = false ]; then
    echo "$0: $mini/data/train: missing; run egs/mini/run.sh --stop-stage 0, or give --mini" >&2
    exit 1
  fi
  echo "part $1: left out, without the corpus of egs/mini (--mini)"
  return 1
}

# has_espeak <part>: whether espeak-ng is there, without which the recipe ends; with --quick the part is left out.
has_espeak() {
  if command -v espeak-ng >/dev/null; then return; fi
  if [ "$quick" = false ]; then
    echo "$0: --parts $1: espeak-ng is not here; apt-get install espeak-ng" >&2
    exit 1
  fi
  echo "part $1: left out, without espeak-ng"
  return 1
}

# Recordings of noise, and parts of the corpus of egs/mini: data/noise/{recordings,train,dev,clean}.
noise_data() {
  local percent=20
  if [ "$quick" = true ]; then percent=1; fi
  PYTHONPATH=$TOP/egs/mini/local once noise_recordings python "$here/local/make_noises.py" "$mini/data" data/noise/recordings
  once noise_train python "$here/local/labels.py" "$mini/data/train" data/noise/train --percent "$percent"
  once noise_dev python "$here/local/labels.py" "$mini/data/dev" data/noise/dev --percent "$((percent * 3))"
  once noise_clean python "$here/local/labels.py" "$mini/data/test" data/noise/clean --percent "$((percent * 2))"
}

# invention_data <clean speech> <data directory to write>: recordings in which nothing is said, and speech that is cut off.
invention_data() {
  once "${2##*/}_sets" python "$here/local/hallucination_sets.py" "$1" "$mini/data/test/ctm" data/noise/recordings/test "$2"
}
