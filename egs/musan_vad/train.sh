#!/usr/bin/env bash
# Detectors of voice, and of speech, singing and music: real recordings of each laid over one another, with exact times.

set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$recipe/../.." && pwd)
musan=
ami=
opencpop=
models=
hours=20
dev_hours=0.5
test_hours=2
seconds=30
dir=exp/musan_vad
settings=.
train_options=
stage=0
stop_stage=5
nj=1
ngpu=1
python=

help_message="Usage: bash egs/musan_vad/train.sh --musan DIR --ami DIR [--opencpop DIR] [options]

Stages: 0 mixtures, meetings, music and noise alone; 1 features; 2 training; 3 decoding; 4 scores; 5 RESULTS.md

  --musan DIR                  MUSAN: music and noise                         [needed in stage 0]
  --ami DIR                    AMI meetings with RTTM files: speech           [needed in stage 0]
  --opencpop DIR               Opencpop: singing; without it nobody sings, and no mVAD is trained
  --hours, --dev-hours, --test-hours H
                               hours of mixtures of each set                  [$hours, $dev_hours, $test_hours]
  --seconds S                  length of a mixture                            [$seconds]
  --models DIR                 released models: rows of FireRedVAD and its like on the same test sets
  --dir DIR                    where everything is written                    [$dir]
  --settings FOLDER            of conf/ of the recipe: one YAML file a training  [conf/ itself]
  --train-options \"SECTION.NAME=VALUE...\"
                               changes of the settings of all trainings, as firered-train --set
  --stage N, --stop-stage N    first and last stage to run; what is finished is not done again  [$stage, $stop_stage]
  --nj N                       processes that mix; from 2 on two trainings side by side  [$nj]
  --ngpu N                     GPUs of a training; 0: the processor           [$ngpu]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
own_paths="musan ami opencpop models"
# shellcheck source=egs/common/modules.sh
. "$TOP/egs/common/modules.sh"

tests="mix music noise ami" # each a data directory data/<name>_test
detectors="vad stream_vad"
if [ "$stage" -le 0 ] && { [ -z "$musan" ] || [ -z "$ami" ]; }; then fail "--musan and --ami: stage 0 needs both"; fi

prepare() {
  rm -f data/sung
  task prepare python "$recipe/local/prepare.py" --hours "$hours" --dev-hours "$dev_hours" --test-hours "$test_hours" \
    --alone-hours "$dev_hours" --seconds "$seconds" --nj "$nj" ${opencpop:+--opencpop "$opencpop"} "$musan" "$ami" data
  if [ -n "$opencpop" ]; then touch data/sung; fi
}

trained_on() { # trained_on <name>: on mixtures and meetings
  trained "$1" "$conf/$1.yaml" data.train="fbank/mix_train fbank/ami_train" data.dev="fbank/mix_dev"
}
first_training() {
  trained_on vad
  trained_on stream_vad
}
second_training() { if [ -f data/sung ]; then trained_on mvad; fi; }

# detect <name> <model> <folder>: the test sets, by the command of that name, to exp/decode/<folder>.
detect() {
  local set
  for set in $tests; do
    task "decode_$3_${set}" "firered-${1//_/-}" --model "$2" "data/${set}_test" "exp/decode/$3/$set"
  done
}

# scored <system> <folder> <test set> <set> <hypothesis> [options]: to exp/score/<folder>/<test set>.
scored() {
  task "score_$2_$3" firered-score vad --test-set "$3" --system "$1" "${@:6}" "data/$4_test" "$5" "exp/score/$2/$3"
}

# score_voice <system> <folder> [below it]: voice is speech and singing.
score_voice() {
  local set
  for set in $tests; do scored "$1" "$2" "$set" "$set" "exp/decode/$2/$set${3:-}" --nonspeech music; done
}

# score_events <system> <folder>: each event by itself.
score_events() {
  local set
  for set in $tests; do # events without the posteriors, of which there are three; and the recordings without any
    mkdir -p "exp/decode/$2/$set/events"
    cp "exp/decode/$2/$set/rttm" "exp/decode/$2/$set/reco2dur" "exp/decode/$2/$set/events"
  done
  score_voice "$1" "$2" /events
  scored "$1" "$2" mix-speech mix "exp/decode/$2/mix/events" --nonspeech singing,music
  scored "$1" "$2" mix-singing mix "exp/decode/$2/mix/events" --nonspeech speech,music
  scored "$1" "$2" mix-music mix "exp/decode/$2/mix/events" --nonspeech speech,singing
}

if in_stage 0 "corpora -> data"; then prepare; fi

if in_stage 1 "features -> fbank"; then
  for name in mix_train mix_dev ami_train; do task "fbank_$name" firered-fbank "data/$name" "fbank/$name"; done
fi

if in_stage 2 "training -> exp"; then both first_training second_training; fi

if [ -f data/sung ]; then detectors+=" mvad"; fi

if in_stage 3 "decoding -> exp/decode"; then
  for name in $detectors; do
    detect "$name" "exp/$name" "$name"
    if [ -n "$models" ]; then detect "$name" "$models" "released_$name"; fi
  done
fi

if in_stage 4 "scores -> exp/score"; then
  rm -rf exp/score # of systems that are not asked for any more
  score_voice "VAD trained here" vad
  score_voice "stream VAD trained here" stream_vad
  if [ -f data/sung ]; then score_events "mVAD trained here" mvad; fi
  if [ -n "$models" ]; then
    score_voice FireRedVAD released_vad
    score_voice "FireRedVAD Stream-VAD" released_stream_vad
    if [ -f data/sung ]; then score_events "FireRedVAD AED" released_mvad; fi
  fi
fi

# shellcheck disable=SC2034 # results reads it; six systems have fifteen pairs
differences=0
if in_stage 5 "RESULTS.md"; then results "Results of egs/musan_vad"; fi
