# shellcheck shell=bash
# shellcheck disable=SC2154 # variables are those of run.sh
# Several languages in one model (section 5.3 of the report): two rich in data and two poor, drawn as often as they come
# (natural) or all alike (balanced). All trainings begin with the encoder of egs/mini, which knows none of them, and have as
# many steps. Speech is espeak-ng's, by the grammars of egs/mini; sentences and voices of testing are in no other set.
# Stages: 2 sentences, speech, features and dictionary, 3 training, 4 decoding and scores.

rich="de es"
poor="fr ru"
samplings="natural balanced"

# spoken_language <language> <sentences>: data/multilingual/LANGUAGE/{train,dev,test}.
spoken_language() {
  local set voices out=data/multilingual/$1
  PYTHONPATH=$TOP/egs/mini/local once "sentences_$1" python "$here/local/language_texts.py" "$TOP/egs/mini/grammar/$1.txt" \
    "data/multilingual/text/$1" --train "$2" --test "$test_sentences"
  for set in train dev test; do
    voices=$here/tables/train_voices
    if [ "$set" = test ]; then voices=$here/tables/test_voices; fi
    once "spoken_$1_$set" firered-speak "data/multilingual/text/$1/$set" "$out/$set" --voices "$voices" \
      --tts "espeak-ng -v $1+{voice} -w {wav} --stdin"
  done
}

language_data() {
  local language set few=36 many=360
  test_sentences=60
  if [ "$quick" = true ]; then few=4 many=8 test_sentences=3; fi
  for language in $rich; do spoken_language "$language" "$many"; done
  for language in $poor; do spoken_language "$language" "$few"; done
  for set in train dev test; do
    once "languages_$set" python "$TOP/utils/combine_data.py" "data/multilingual/$set" data/multilingual/??/"$set"
  done
  for set in train dev; do once "fbank_languages_$set" firered-fbank "data/multilingual/$set" "feats/languages_$set"; done
  once tokens_languages firered-tokens data/multilingual/train exp/tokens/languages --pieces 120
}

language_training() { # language_training <seed> <sampling>
  local steps=1000 temperature=1
  if [ "$quick" = true ]; then steps=2; fi
  if [ "$2" = balanced ]; then temperature=1000; fi # all languages alike, to a thousandth
  once "languages_$1_$2" firered-train "$here/conf/languages.yaml" --set "out=exp/multilingual/$1/$2" \
    --set "model.encoder=$aed" --set data.train=feats/languages_train --set data.dev=feats/languages_dev \
    --set data.tokens=exp/tokens/languages --set "data.language_temperature=$temperature" --set "train.seed=$1" \
    --set "train.max_steps=$steps" --set "train.eval_steps=$(((steps + 4) / 5))"
}

language_scores() { # language_scores <seed> <sampling>
  local name=$1_$2
  once "decode_languages_$name" firered-asr --num-threads 1 --mode ctc_prefix --model "exp/multilingual/$1/$2" \
    data/multilingual/test "exp/multilingual/decode/$name"
  once "score_languages_$name" firered-score --by lang data/multilingual/test "exp/multilingual/decode/$name" \
    "exp/multilingual/score/$name"
}

multilingual_stages() {
  local seed sampling
  if ! has_espeak multilingual; then return; fi
  if in_stage 2 "$rich and, with a tenth of the sentences, $poor -> data/multilingual"; then language_data; fi
  if in_stage 3 "training of all languages together -> exp/multilingual"; then
    for seed in "${seeds[@]}"; do
      for sampling in $samplings; do language_training "$seed" "$sampling"; done
    done
  fi
  if in_stage 4 "decoding and scores -> exp/multilingual/score"; then
    for seed in "${seeds[@]}"; do
      for sampling in $samplings; do language_scores "$seed" "$sampling"; done
    done
  fi
}
