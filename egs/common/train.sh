# shellcheck shell=bash
# What recipes that train share. Each train.sh, or train_SIZE.sh, sets `recipe` to its folder, its sets of data and its
# systems, and sources this file, which takes the options and runs the stages.

corpus=
mirror=
dir=exp/$(basename "${recipe:?}")_$(basename "$0" .sh)
settings=${settings:-.}
systems=${systems:-joint}
train_sets=${train_sets:-}
dev_sets=${dev_sets:-}
test_sets=${test_sets:-}
hold_out=0
anchors=${anchors:-}
features=${features:-none}
pieces=${pieces:-1000}
lm=true
lm_text=
lm_weight=0.3
init=pretrained_models/FireRedASR2-AED
aed=
llm=pretrained_models/Qwen2-1.5B-Instruct
modes="attention ctc ctc_prefix rescore joint"
beam=10
ctc_weight=0.4
times=
prepare_options=
train_options=
allow_missing=false
stage=-1
stop_stage=10
nj=1
ngpu=1
cmd=
python=

help_message="Usage: bash egs/${recipe##*/}/${0##*/} [--corpus <folder of the corpus>] [options]

Stages: -1 download, where the licence lets a script do it; 0 data directories; 1 features or shards; 2 dictionary;
        3 language model; 4 training, the best checkpoints averaged; 5 CTC heads on frozen weights; 6 speech-LLM;
        7 decoding in every mode; 8 word times; 9 scores; 10 RESULTS.md

  --corpus DIR                 the corpus, as the recipe's README.md describes it    [--dir's folder corpus, downloaded]
  --mirror URL                 another place to download from
  --dir DIR                    where everything is written                    [$dir]
  --settings FOLDER            of conf/ of the recipe: one YAML file a training      [$settings]
  --systems \"NAME...\"          what is trained: NAME.yaml of that folder; NAME_ctc.yaml, if it is there, trains a head on it
                               [$systems]
  --train-sets, --dev-sets, --test-sets \"NAME...\"
                               sets of the corpus   [$train_sets; $dev_sets; $test_sets]
  --anchors NAME               whose figures of egs/common/anchors.tsv stand beside  [${anchors:-none}]
  --hold-out N                 without dev sets: so many utterances of the first training set are the dev set
  --features none|fbank|shards what trainings read: audio where it lies, stored filterbanks (of use only to settings that
                               do not change the audio), or tar files of audio       [$features]
  --pieces N                   pieces of words in the dictionary, beside Chinese characters  [$pieces]
  --lm true|false              a language model of the training text, and modes with it      [$lm]
  --lm-text \"FILE...\"          more text for it; never that of a test set
  --lm-weight W                its weight                                     [$lm_weight]
  --init DIR|NAME              model, or system trained before, that systems with model.init start from
                               [$init]
  --aed NAME                   system whose encoder the speech-LLM gets       [the first recogniser of --systems]
  --llm DIR                    its language model, a Hugging Face folder of Qwen2, Qwen3 or Llama;
                               small, small:STEPS: one of half a million parameters is trained on the training text
                               [$llm]
  --modes \"MODE...\"            of firered-asr --mode  [$modes]
  --beam N, --ctc-weight W     of these modes, as far as they have one [$beam, $ctc_weight]
  --times DIR                  true word times, DIR/<set>/ctm: how far those of each system are off is measured, and a dev
                               set among them sets where in a word the CTC head has its frames
  --train-options \"SECTION.NAME=VALUE...\"
                               changes of all settings of recognition and the language models, as firered-train --set
  --prepare-options \"OPTION...\"
                               of the recipe's local/prepare.py, if it has any
  --allow-missing true|false   leave out utterances that lack audio or transcript    [$allow_missing]
  --stage N, --stop-stage N    first and last stage to run; what is finished is not done again  [$stage, $stop_stage]
  --nj N                       parallel jobs of features, decoding and alignment     [$nj]
  --ngpu N                     GPUs of a training; 0: the processor                  [$ngpu]
  --cmd CMD                    launcher: utils/slurm.py, Kaldi's queue.pl; of trainings too, with --gpu [this machine]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

TOP=$(cd "$recipe/../.." && pwd)
common=$TOP/egs/common
# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths corpus dir init llm times python
if [ $# -gt 0 ]; then
  echo "${0##*/}: no option: $1; --help lists them" >&2
  exit 1
fi
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"
# shellcheck source=utils/on_parts.sh
. "$TOP/utils/on_parts.sh"
# shellcheck source=egs/common/tasks.sh
. "$common/tasks.sh"
# shellcheck source=egs/common/train_stages.sh
. "$common/train_stages.sh"

absolute corpus times
if [[ $llm != small* ]]; then absolute llm; fi
if [ -x "${cmd%% *}" ]; then cmd=$(realpath "${cmd%% *}")${cmd#"${cmd%% *}"}; fi
conf=$(cd "$recipe/conf/$settings" 2>/dev/null && pwd) || fail "--settings: no such folder: $recipe/conf/$settings"
check_options
name_sets
mkdir -p "$dir"
cd "$dir" || exit # all paths below count from here, and their names have no blanks

if in_stage -1 "corpus -> ${corpus:-$PWD/corpus}"; then find_corpus; fi
if in_stage 0 "data directories -> data/<set>/data"; then prepare_data; fi
if in_stage 1 "features ($features)"; then make_features; fi
if in_stage 2 "dictionary -> exp/tokens"; then make_tokens; fi
if in_stage 3 "language model -> exp/lm"; then train_lm; fi
if in_stage 4 "training -> exp/<system>"; then each_recogniser train_recogniser; fi
if in_stage 5 "CTC heads on frozen weights -> exp/<system>_ctc"; then each_recogniser train_head; fi
if in_stage 6 "speech-LLM -> exp/<system>"; then each_speech_llm train_speech_llm; fi
if in_stage 7 "decoding -> exp/decode"; then
  each_recogniser decode_modes
  each_speech_llm decode_llm
fi
if in_stage 8 "word times -> exp/align"; then each_recogniser align_sets; fi
if in_stage 9 "scores -> exp/score"; then
  rm -rf exp/score exp/boundaries # of systems and sets that are not asked for any more
  each_recogniser score_recogniser
  each_speech_llm score_llm
fi
if in_stage 10 "RESULTS.md"; then write_results; fi
