#!/usr/bin/env bash
# One part of gpu.sh, which calls this with its settings in the environment: appends the part's tables to a file.
#
#     bash tests/bench/gpu_part.sh parity|aed|llm|fun_asr|vad RESULT

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${device:?} ${size:?} ${modes:?} ${threads:?} ${scratch:?} ${aed_dtypes:?} ${llm_dtypes:?} ${fun_asr_dtype:?}"

pick() { # pick <of the published sizes> <of XS, with which all is tried in minutes>
  if [[ "$size" == XS ]]; then echo "$2"; else echo "$1"; fi
}

row() { # row <cells of a table's head>
  printf '| %s ' "$@"
  printf '|\n'
  printf '|---%.0s' "$@"
  printf '|\n'
}

case $1 in
  parity)
    log=$scratch/parity.log status=0
    python -m pytest tests/parity/test_device.py -p no:cacheprovider -v -rP >"$log" 2>&1 || status=$?
    grep -E "PASSED|FAILED|ERROR|SKIPPED|^E  " "$log" || true
    {
      echo "Parity with the published system on $device (\`tests/parity/test_device.py\`): $(tail -n 1 "$log" | tr -d '=')"
      echo
      sed -n 's/^differing: \(.*\)/- texts that differ from the golden ones: \1/p' "$log"
      sed -n 's/^\(SKIPPED .*\)/- \1/p' "$log"
    } >>"$2"
    exit "$status"
    ;;

  aed)
    {
      echo "Recognition, size $size, random weights, $(pick "10 hours in" "a minute in") utterances of 2 to 8 s that decode to 15 tokens at beam 3:"
      echo
      row "number format" "mode" "batches" "audio" "time" "real time factor" "tokens" "peak memory"
    } >>"$2"
    python tests/bench/aed_job.py --device "$device" --threads "$threads" --size "$size" --dtypes "$aed_dtypes" --modes "$modes" \
      --hours "$(pick 10 0.015)" --batch-seconds "$(pick auto 15,30)" ${option:+--option "$option"} --markdown "$2"
    {
      echo
      echo "The same model, utterances of 10 s that decode to 45 tokens at beam 3, one batch at a time:"
      echo
      row "number format" "steps" "batch" "encoder" "search" "real time factor" "times real time" "peak memory"
    } >>"$2"
    python tests/bench/asr_speed.py --device "$device" --threads "$threads" --size "$size" --dtypes "$(pick "$aed_dtypes" "${aed_dtypes##*,}")" \
      --batches "$(pick 1,8,64,256 1,2)" --rounds "$(pick 2 1)" --no-prefix --markdown "$2"
    if [[ "$device" != cpu ]]; then
      FIRERED_CUDA_GRAPHS=0 python tests/bench/asr_speed.py --device "$device" --threads "$threads" --size "$size" \
        --dtypes "${aed_dtypes##*,}" --batches 1,8,64 --no-prefix --markdown "$2"
    fi
    ;;

  llm)
    {
      echo "The LLM variant, $(pick "Qwen2-7B's shape" "Qwen2-0.5B's shape"), encoder $size, random weights, utterances of $(pick "10 s that decode to 45" "3 s that decode to 5") tokens:"
      echo
      row "language model" "number format" "steps" "beam" "batch" "tokens a second" "real time factor" "peak memory"
    } >>"$2"
    python tests/bench/llm_speed.py --device "$device" --threads "$threads" --llm "$(pick 7B 0.5B)" --encoder "$size" --dtypes "$llm_dtypes" \
      --batches "$(pick 1,8,32 1)" --beams "$(pick 1,3 1)" --seconds "$(pick 10 3)" --tokens "$(pick 45 5)" \
      --rounds "$(pick 2 1)" --scratch "$scratch" --markdown "$2"
    ;;

  fun_asr)
    {
      echo "Fun-ASR-Nano, random weights, utterances of $(pick "10 s that decode to 40" "3 s that decode to 5") tokens:"
      echo
      row "number format" "batch" "tokens" "real time factor" "peak memory"
    } >>"$2"
    python tests/bench/fun_asr_speed.py --device "$device" --threads "$threads" --dtypes "$fun_asr_dtype" --batches "$(pick 1,8,64 1)" \
      --seconds "$(pick 10 3)" --tokens "$(pick 40 5)" --scratch "$scratch" --markdown "$2"
    ;;

  vad)
    {
      echo "Voice activity detection, recordings of $(pick "30 minutes" "3 minutes") of noise, random weights:"
      echo
      row "audio" "filterbank by itself (processor)" "in all" "real time factor" "peak memory"
    } >>"$2"
    python tests/bench/vad_job.py --device "$device" --threads "$threads" --hours "$(pick 10 0.05)" --rounds "$(pick 2 1)" --markdown "$2"
    ;;

  *)
    echo "gpu_part.sh: there is no part $1" >&2
    exit 2
    ;;
esac
