#!/usr/bin/env bash
# The checks of run_light.sh, then every converted folder is loaded with transformers and its logits are compared.
#
#   PYTHON=/path/to/venv/bin/python Tests/Interop/run_full.sh .build/release/tritsmith
#
# PYTHON needs requirements-full.txt. More is tried where these are set:
#   LLAMA_PYTHON    an interpreter with llama-cpp-python, numpy and safetensors: llama.cpp loads GGUF files too
#   BONSAI          the folder of a Qwen3 with scales of groups (steps.sh)
#   MLX_PYTHON      an interpreter with mlx-lm, which loads that model
#   LLAMA_QUANTIZE  llama.cpp's llama-quantize, which makes Q2_0 of it
set -uo pipefail

if [ $# -ne 1 ]; then
  echo "usage: run_full.sh TRITSMITH_BINARY" >&2
  exit 64
fi
# shellcheck source=steps.sh
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh" "$1"

light_steps
gguf_steps
hub_steps
full_steps
llama_steps
bonsai_steps
finish
