#!/usr/bin/env bash
# Converts fixtures with a built tritsmith and checks the output without torch. Exit 0 when every check passes.
#
#   Tests/Interop/run_light.sh .build/release/tritsmith
#
# PYTHON names the interpreter (default python3); it needs requirements-light.txt.
set -uo pipefail

if [ $# -ne 1 ]; then
  echo "usage: run_light.sh TRITSMITH_BINARY" >&2
  exit 64
fi
# shellcheck source=steps.sh
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh" "$1"

light_steps
gguf_steps
json_steps
hub_steps
wheel_steps
finish
