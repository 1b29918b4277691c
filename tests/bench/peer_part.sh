#!/usr/bin/env bash
# One system of peers.sh in one number format: makes the files that it reads, then measures it in a process that has made
# nothing, since what a process takes at most is told.
#
#     bash tests/bench/peer_part.sh shapes|weights SYSTEM FORMAT OPTIONS... ROWS

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
rows=${!#}
set -- "${@:1:$#-1}"
python tests/bench/peers.py "$@" --make
python tests/bench/peers.py "$@" --rows "$rows"
