#!/usr/bin/env bash
# What FunAudio-ASR's training adds, each part with and without, on small models: parts/NAME.sh are the parts.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$here/../.." && pwd)

parts="best_rq noise hallucination multilingual code_switching sft context streaming grpo"
seeds="1 2 3"
stage=0
stop_stage=9
nj=1
fsdd=
mini=
corpora="fsdd mini"
quick=false
dir=
python=

help_message="Usage: bash egs/mini_funaudio/run.sh [options]

Parts, each with stages of its own (parts/NAME.sh) and a section of RESULTS.md:

  best_rq         pre-training without labels (Best-RQ), then recognition with 1, 10 and 100% of the labels
  noise           noisy copies, noise as utterances are drawn, and both: the recogniser of egs/mini trained further
  hallucination   zeros before noise is added, and noise alone: words that are written where nothing is said
  multilingual    two languages of which there is much and two of which there is little, drawn as often as they come
                  and all alike
  code_switching  sentences that mix Chinese and English: the speech-LLM of egs/mini trained further without them, with
                  them, and then by rewards; recognised whole and as they are spoken
  sft             a small Fun-ASR-Nano by the five stages, and by other ways with as many steps
  context         names that sound alike: contextual fine-tuning, and fine-tuning without context
  streaming       chunks with the text so far given, masked first labels, both, and whole utterances alone: the model of
                  sft trained further, decoded whole and as streams
  grpo            rewards (GRPO) beside supervised training: the speech-LLM of egs/mini trained further

Stages of all: 0 data, 1 features, dictionaries and a small language model, 2 to 8 the part's own, 9 RESULTS.md

  --parts \"NAME...\"            those to run                                                      [$parts]
  --seeds \"N...\"               each is a training of its own; RESULTS.md has the means           [$seeds]
  --corpora \"NAME...\"          fsdd: real speech, single digits; mini: synthetic speech, sentences of Chinese and
                               English in many voices                                            [$corpora]
  --fsdd DIR                   a copy of free-spoken-digit-dataset; by default it is fetched with git
  --mini DIR                   where egs/mini/run.sh has made its corpus, data/                  [egs/mini]
  --stage N, --stop-stage N    first and last stage to run; what is finished is not done again   [$stage, $stop_stage]
  --nj N                       processes at a time                                               [$nj]
  --quick true|false           fsdd alone, one seed, a few steps: does it all run? Parts that need the corpus of
                               egs/mini are left out where it is not there                        [$quick]
  --dir DIR                    where data/, feats/, exp/ and RESULTS.md are made
                               [this folder; with --quick true its folder quick]
  --python PATH                bin/python of an environment of your own, as in the run.sh at the top
  --config FILE                these options from a file of name=value lines"

# shellcheck source=utils/parse_options.sh
. "$TOP/utils/parse_options.sh"
# shellcheck source=utils/plain_paths.sh
. "$TOP/utils/plain_paths.sh"
plain_paths fsdd mini dir python
mini=$(realpath "${mini:-$TOP/egs/mini}")
if [ -n "$fsdd" ]; then fsdd=$(realpath "$fsdd"); fi
# shellcheck source=utils/path.sh
. "$TOP/utils/path.sh"

if [ "$quick" = true ]; then
  corpora=fsdd
  seeds=1
  dir=${dir:-$here/quick}
fi
read -ra corpora <<<"$corpora"
read -ra seeds <<<"$seeds"
mkdir -p "${dir:=$here}"
cd "$dir"
# shellcheck source=egs/common/tasks.sh
. "$TOP/egs/common/tasks.sh"
# shellcheck source=egs/mini_funaudio/parts/data.sh
. "$here/parts/data.sh"

for part in $parts; do
  if [ ! -f "$here/parts/$part.sh" ] || [ "$part" = data ]; then
    echo "$0: --parts: there is no part $part" >&2
    exit 1
  fi
done
common_stages
for part in $parts; do
  # shellcheck source=egs/mini_funaudio/parts/best_rq.sh
  . "$here/parts/$part.sh"
  "${part}_stages"
done

if in_stage 9 "RESULTS.md"; then
  PYTHONPATH=$TOP/egs/common python "$here/local/page.py" exp "$here/parts" RESULTS.md
  cat RESULTS.md
fi
