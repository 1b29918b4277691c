#!/usr/bin/env bash
# Recordings through the whole system, stage by stage; every stage reads and writes Kaldi data directories under $exp.

set -euo pipefail
unset -v CDPATH
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

stage=-1
stop_stage=6
data=
ref=
models=
exp=exp
nj=1
cmd=$TOP/utils/run.py
vad_config=
lid_config=
asr_config=
punc_config=
score_config=
vad=true
asr_type=
replace=
channel=mix
pipes=true
keep_going=false
python=

help_message="Usage: bash run.sh [options] [--data] <data-dir|wav.scp|folder|audio-file...>

Stages: -1 data directory, 0 filterbank + CMVN statistics, 1 VAD, 2 LID, 3 decoding, 4 alignment, 5 punctuation,
        6 scoring, where there is a reference text

  --stage N, --stop-stage N    first and last stage to run            [$stage, $stop_stage]
  --data PATH                  the input                              [the bundled tour: synthetic speech in egs/mini/test]
  --ref PATH                   its text, or a directory with one      [that of --data, where it has one]
  --models DIR                 holds FireRedVAD/VAD, FireRedLID, FireRedPunc and a recogniser: FireRedASR2-AED,
                               FireRedASR2-LLM or Fun-ASR-Nano-2512
                               [pretrained_models; of the bundled tour egs/mini/models]
  --exp DIR                    where everything is written            [$exp]
  --nj N                       parallel jobs                          [$nj]
  --cmd CMD                    launcher: utils/run.py, utils/slurm.py, utils/ray.py, Kaldi's run.pl [utils/run.py]
  --vad-config YAML            settings of stage 1, e.g. conf/vad_long_pauses.yaml
  --vad true|false             false: the utterances of --data are used as they are, not cut [$vad]
  --asr-type aed|llm|fun-asr|transformers
                               kind of recognition model     [what --models holds, the first of these it holds]
                               llm and transformers have their word times from FireRedASR2-AED; fun-asr is told the
                               languages of stage 2, and unless --asr-config has 'itn: false' writes its own punctuation
  --lid-config, --asr-config, --punc-config, --score-config YAML
                               the same of stages 2, 3 (e.g. conf/asr_aed.yaml, conf/asr_llm.yaml,
                               conf/asr_fun-asr.yaml), 5 and 6
  --replace FILE               corrections of the recognised text: lines wrong=>right, and words found by their sound
  --channel mix|N|each         what to do with several channels       [$channel]
  --pipes true|false           may wav.scp run commands               [$pipes]
  --keep-going true|false      exit 0 even if some recordings failed  [$keep_going]
  --python PATH                bin/python of an environment of your own, with firered installed; PATH_SH=FILE names a
                               path.sh to source instead               [.venv, made where it is missing]
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"

# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths data ref models exp vad_config lid_config asr_config punc_config score_config replace python
for word in "$@"; do
  plain_paths word
  set -- "${@:2}" "$word"
done

# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

if [[ $exp == *$'\n'* ]]; then
  echo "run.sh: --exp: the name of a folder for tables cannot hold a line break" >&2
  exit 1
fi

if [ -n "$data" ]; then set -- "$data" "$@"; fi
if [ $# -eq 0 ] && [ -z "$models" ]; then # the tour; later stages of other data name no data, but their models
  set -- "$TOP/egs/mini/test/wav"
  ref=${ref:-$TOP/egs/mini/test}
  models=$TOP/egs/mini/models
fi
models=${models:-pretrained_models}
audio=(--channel "$channel")
threads=(--num-threads 0)
if [ "$nj" -gt 1 ]; then threads=(--num-threads 1); fi # parallel jobs use the cores better than threads
if [ "$pipes" = false ]; then audio+=(--no-pipes); fi

speech=$exp/vad
if [ "$vad" = false ]; then speech=$exp/data; fi

# shellcheck source=utils/on_parts.sh
. "$TOP/utils/on_parts.sh"

if [ "$stage" -le -1 ] && [ "$stop_stage" -ge -1 ]; then
  echo "stage -1: data directory of $* -> $exp/data"
  attend firered-prepare-data "${audio[@]}" --keep-going "$@" "$exp/data"
  validate_data_dir.py --no-text --no-feats --no-spk-sort "$exp/data"
fi

if [ "$stage" -le 0 ] && [ "$stop_stage" -ge 0 ] && [ "$vad" = true ]; then
  echo "stage 0: filterbank and CMVN statistics -> $exp/fbank"
  on_parts "$exp/data" "$exp/fbank" firered-fbank "${audio[@]}" @in @out
  if [ "$exp/fbank/cmvn.ark" -ot "$exp/fbank/feats.scp" ]; then attend firered-cmvn "$exp/fbank" "$exp/fbank"; fi
fi

if [ "$stage" -le 1 ] && [ "$stop_stage" -ge 1 ] && [ "$vad" = true ]; then
  echo "stage 1: voice activity detection -> $exp/vad"
  on_parts "$exp/fbank" "$exp/vad" firered-vad --model "$models" "${threads[@]}" "${audio[@]}" \
    ${vad_config:+--config "$vad_config"} @in @out
fi

if [ "$stage" -le 2 ] && [ "$stop_stage" -ge 2 ]; then
  echo "stage 2: language identification -> $exp/lid"
  on_parts "$speech" "$exp/lid" firered-lid --model "$models" "${threads[@]}" "${audio[@]}" \
    ${lid_config:+--config "$lid_config"} @in @out
fi

if [ "$stage" -le 3 ] && [ "$stop_stage" -ge 3 ]; then
  echo "stage 3: recognition${asr_type:+ ($asr_type)} -> $exp/asr"
  told=()
  if [ -f "$exp/lid/utt2lang" ]; then
    answer=$(recogniser.py language "$models" "$asr_type")
    if [ "$answer" = yes ]; then told=(--utt2lang "$exp/lid/utt2lang"); fi
  fi
  on_parts "$speech" "$exp/asr" firered-asr --model "$models" "${threads[@]}" "${audio[@]}" \
    ${asr_type:+--type "$asr_type"} ${asr_config:+--config "$asr_config"} ${replace:+--replace "$replace"} "${told[@]}" \
    @in @out
fi

if [ "$stage" -le 4 ] && [ "$stop_stage" -ge 4 ]; then
  echo "stage 4: word times -> $exp/align"
  answer=$(recogniser.py times "$models" "$asr_type")
  if [ -n "$answer" ]; then
    echo "  no word times: $answer"
    rm -f "$exp/align/ctm" "$exp/align/.stage" # of another model
  else
    on_parts "$exp/asr" "$exp/align" firered-align --model "$models" "${threads[@]}" "${audio[@]}" \
      ${asr_type:+--type "$asr_type"} @in @in/text @out
  fi
fi

if [ "$stage" -le 5 ] && [ "$stop_stage" -ge 5 ]; then
  echo "stage 5: punctuation -> $exp/punc"
  marks=(--model "$models")
  answer=$(recogniser.py marks "$models" "$asr_type" "$exp/asr/config.yaml")
  if [ "$answer" = yes ]; then
    echo "  the recogniser writes its own punctuation: FireRedPunc is not used"
    marks=(--own-marks)
  fi
  if [ -f "$exp/align/ctm" ]; then
    marks+=(--ctm "$exp/align/ctm")
  else
    echo "  no word times in $exp/align: sentences have none"
    rm -f "$exp/punc/sentences.jsonl" # of an earlier run
  fi
  on_parts "$exp/asr" "$exp/punc" firered-punc "${marks[@]}" "${threads[@]}" \
    ${punc_config:+--config "$punc_config"} @in/text @out
fi

if [ -z "$ref" ] && [ -f "${1:-}/text" ]; then ref=$1; fi
if [ "$stage" -le 6 ] && [ "$stop_stage" -ge 6 ] && { [ -n "$ref" ] || [ "$stage" -eq 6 ]; }; then
  echo "stage 6: scoring against ${ref:?run.sh: stage 6 needs a reference text: --ref} -> $exp/score"
  scoring=()
  if [ "$vad" = true ]; then scoring+=(--by-recording); fi
  if [ "$keep_going" = true ]; then scoring+=(--allow-extra); fi # recordings without a reference are no error then
  attend firered-score text "${scoring[@]}" ${score_config:+--config "$score_config"} "$ref" "$exp/asr" "$exp/score"
  sed '/^`/q' "$exp/score/score.txt" # up to the end of its first table
fi

cat "$exp"/{data,fbank,vad,lid,asr,align,punc}/failed 2>/dev/null >"$exp/failed" || true
if [ -s "$exp/failed" ]; then
  echo "run.sh: $(wc -l <"$exp/failed") failed, with reasons in $exp/failed:" >&2
  head -n 5 "$exp/failed" >&2
  if [ "$keep_going" = false ]; then exit 1; fi
fi
