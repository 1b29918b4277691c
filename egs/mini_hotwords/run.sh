#!/usr/bin/env bash
# Hotwords: names and terms that the models of egs/mini never heard, in voices they never heard, with lists of 100 to
# 100,000 entries. Makes its data itself; runs the bundled recognisers and, where it is there, a Whisper model.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

stage=0
stop_stage=7
nj=2
models=$TOP/egs/mini/models
whisper=
options=
quick=false
dir=
python=

help_message="Usage: bash egs/mini_hotwords/run.sh [options]

Stages: 0 test set, 1 lists, 2 decoding without a list, 3 with the targets among others, in each way, 4 with lists of
        others alone, 5 sounds without speech, 6 scores, 7 RESULTS.md and its pictures

  --stage N, --stop-stage N    first and last stage to run                                       [$stage, $stop_stage]
  --nj N                       processes that make the recordings                                [$nj]
  --models DIR                 the models of egs/mini                                            [egs/mini/models]
  --whisper DIR                a Whisper model as well, on a third of the utterances             [none]
  --options \"OPTIONS\"          more options of firered-asr, such as \"--hotword-score 2\"
  --quick true|false           a few utterances and short lists: does it all run?                [$quick]
  --dir DIR                    where data/, lists/, exp/ and RESULTS.md are made
                               [this folder; with --quick true its folder quick]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths models whisper dir python
models=$(realpath "$models")
if [ -n "$whisper" ]; then whisper=$(realpath "$whisper"); fi

# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

scale=1
sizes=(100 1000 10000 100000)
few=(3 50 1000)
read -ra more <<<"$options"
if [ "$quick" = true ]; then
  scale=0.01
  sizes=(100)
  few=(3)
  dir=${dir:-$here/quick}
fi
mkdir -p "${dir:=$here}"
cd "$dir"
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"

# Recognisers, their models, the sets they are run on, and the ways they have to use a list (auto: all of them).
systems=(aed llm)
declare -A model=([aed]=$models/FireRedASR2-AED [llm]=$models/FireRedASR2-LLM [whisper]=$whisper)
declare -A speech=([aed]=test [llm]=test [whisper]=third)
declare -A ways=([aed]="graph correction auto" [llm]="graph correction auto" [whisper]="prompt correction auto")
declare -A lists=([aed]="${sizes[*]}" [llm]="100 10000" [whisper]=100)
declare -A short=([aed]="${few[*]}" [llm]="${few[*]}" [whisper]="${few[*]: -1}")
if [ "$quick" = true ]; then systems=(aed) ways[aed]=auto; fi
if [ -n "$whisper" ]; then systems+=(whisper); fi

own() { # own <script> <words...>: of this recipe, which has those of egs/mini at hand
  PYTHONPATH=$TOP/egs/mini/local${PYTHONPATH:+:$PYTHONPATH} python "$here/local/$1" "${@:2}"
}

# Of files: their contents, whatever their names and times.
sum_of() { find -L "$@" -type f -print0 | sort -z | xargs -0 cat | cksum; }
code=$(sum_of "$TOP/firered" -name '*.py')

# decode <system> <set> <way> <list>: into exp/decode/<system>/<set>/<way>/<list, with - for />; not once more where
# neither command, code, model, data nor list have changed
decode() {
  local name=$4 hotwords=()
  if [ "$4" != none ]; then
    if [ ! -f "lists/$4.txt" ]; then return; fi # of --quick
    hotwords=(--hotwords "lists/$4.txt" --hotword-use "$3")
  fi
  name=$1/$2/$3/${name//\//-}
  local command=(firered-asr --num-threads 1 --model "${model[$1]}" "${hotwords[@]}" "${more[@]}" "data/$2")
  local files=("${model[$1]}" "data/$2") made="exp/done/$name"
  if [ "$4" != none ]; then files+=("lists/$4.txt"); fi
  local state
  state="${command[*]} $code $(sum_of "${files[@]}")"
  if [ "$(cat "$made" 2>/dev/null)" = "$state" ]; then return; fi
  mkdir -p "exp/log/decode/$1/$2/$3" "exp/decode/$1/$2/$3" "exp/done/$1/$2/$3"
  task "decode/$name" "${command[@]}" "exp/decode/$name"
  echo "$state" >"$made"
}

if in_stage 0 "test set -> data"; then
  if [ "$(cat data/scale 2>/dev/null)" != "$scale" ]; then
    task set own make_set.py --nj "$nj" --scale "$scale" data
    echo "$scale" >data/scale
  fi
fi

if in_stage 1 "the targets among others, others alone -> lists"; then
  task lists own make_lists.py --largest "${sizes[-1]}" data lists
fi

if in_stage 2 "without a list -> exp/decode"; then
  for system in "${systems[@]}"; do decode "$system" "${speech[$system]}" none none; done
fi

if in_stage 3 "the targets among others, in each way -> exp/decode"; then
  for system in "${systems[@]}"; do
    for size in ${lists[$system]}; do
      for way in ${ways[$system]}; do decode "$system" "${speech[$system]}" "$way" "with/$size"; done
    done
  done
fi

if in_stage 4 "others alone -> exp/decode"; then
  for size in "${sizes[@]}"; do decode aed test auto "without/$size"; done
fi

if in_stage 5 "sounds without speech -> exp/decode"; then
  for system in "${systems[@]}"; do
    decode "$system" sounds none none
    for size in ${short[$system]}; do decode "$system" sounds auto "few/$size"; done
  done
fi

if in_stage 6 "scores -> exp/score"; then
  for found in exp/decode/*/*/*/*; do
    name=${found#exp/decode/}
    set=$(cut -d/ -f2 <<<"$name")
    mkdir -p exp/log/{score,alarms}/"$(dirname "$name")" "exp/score/$(dirname "$name")"
    if [ "$set" = sounds ]; then
      task "score/$name" own echoes.py lists/few "$found" "exp/score/$name"
    else
      task "score/$name" firered-score text --number-normalization --t2s --hotwords lists/targets.txt \
        "data/$set" "$found" "exp/score/$name"
      if [[ $name == */without-* || $name == */none/none ]]; then
        size=${name##*-}
        if [ "$size" = "$name" ]; then size=${sizes[-1]}; fi # without a list, what the longest has by chance
        task "alarms/$name" own false_alarms.py "lists/without/$size.txt" "data/$set" "$found" \
          "exp/score/$name/alarms.json"
      fi
    fi
  done
fi

if in_stage 7 "RESULTS.md, recall.png, harm.png"; then
  own hotword_results.py exp/score data lists RESULTS.md
  cat RESULTS.md
fi
