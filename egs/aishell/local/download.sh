#!/usr/bin/env bash
# download.sh DIR [URL]: AISHELL-1 (Apache 2.0) from openslr.org or a mirror, unpacked into DIR. What is there already is
# not fetched or unpacked again, and an interrupted download goes on where it was.

set -euo pipefail
out=$1
url=${2:-https://www.openslr.org/resources/33}

if [ -e "$out/.complete" ]; then
  echo "$out: the corpus is there"
  exit
fi
mkdir -p "$out"
cd "$out"
if [ ! -e .unpacked ]; then
  echo "fetching $url/data_aishell.tgz (15 GB)"
  curl --fail --location --continue-at - --no-progress-meter --output data_aishell.tgz "$url/data_aishell.tgz"
  echo "unpacking data_aishell.tgz"
  tar xzf data_aishell.tgz
  touch .unpacked
fi
find data_aishell/wav -name '*.tar.gz' -print0 | while IFS= read -r -d '' archive; do
  tar xzf "$archive" -C data_aishell/wav
  rm -- "$archive" # a whole one is unpacked; of those that are left none was
done
touch .complete
rm -f data_aishell.tgz
