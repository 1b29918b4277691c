#!/usr/bin/env bash
# parts.sh <source> <output> <command...>: on_parts of utils/on_parts.sh, in a shell of its own, where a failure ends it.
# nj, cmd and models are taken from the environment.

set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=utils/attend.sh
. "$TOP/utils/attend.sh"
# shellcheck source=utils/on_parts.sh
. "$TOP/utils/on_parts.sh"
on_parts "$@"
