# The steps of run_light.sh and run_full.sh; sourced with the tritsmith binary as the only argument.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkpoints=$here/../../Fixtures/Checkpoints
python=${PYTHON:-python3}
falcon=$checkpoints/falcon-e-tiny
b158=$checkpoints/bitnet-b158-tiny

tritsmith=$(command -v -- "$1") || { echo "$1: not an executable" >&2; exit 66; }
case "$tritsmith" in /*) ;; *) tritsmith=$PWD/$tritsmith ;; esac

# Conversions go to a folder of their own and are removed with it, also on Ctrl-C.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export PYTHONDONTWRITEBYTECODE=1
"$python" "$checkpoints/../make-variants.py" || exit 66

passed=0
failed=()

# step TITLE COMMAND...: runs the command and remembers whether it succeeded; later steps run anyway.
step() {
  local title=$1 status
  shift
  echo "== $title"
  "$@"
  status=$?
  if [ $status -eq 0 ]; then
    passed=$((passed + 1))
  else
    echo "FAILED (exit $status)"
    failed+=("$title")
  fi
}

# check NAME ARGUMENTS...: one of the Python scripts beside this file.
check() {
  local name=$1
  shift
  "$python" "$here/check_$name.py" "$@"
}

# converted INPUT OUTPUT OPTIONS...: a fresh conversion into the temporary folder.
converted() {
  local input=$1 output=$2
  shift 2
  "$tritsmith" convert "$input" "$out/$output" "$@"
}

# bos FOLDER: the id that begins a text.
bos() {
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1] + "/config.json"))["bos_token_id"])' "$1"
}

light_steps() {
  step "the README's commands print what it shows" \
    check readme "$tritsmith" "$here/../../README.md" "$checkpoints"
  step "the numpy arithmetic agrees with the golden vectors" check golden_numpy

  step "convert prequantized to hf-packed" converted "$falcon/prequantized" packed --to hf-packed
  step "  same tensors as onebitllms wrote" check safetensors "$out/packed" "$falcon/bitnet"
  step "  same trits as numpy" check packed_numpy "$falcon/prequantized" "$out/packed"

  step "convert the sharded copy to hf-packed" converted "$falcon/prequantized-sharded" from-shards --to hf-packed
  step "  same tensors as onebitllms wrote" check safetensors "$out/from-shards" "$falcon/bitnet"

  # 1 MB may mean 10^6 or 2^20 bytes; the check accepts both. The two largest tensors have 2^20 bytes each.
  step "convert to hf-packed in shards" converted "$falcon/prequantized" to-shards --to hf-packed --max-shard-size 1MB
  step "  same tensors, sound index" \
    check safetensors "$out/to-shards" "$falcon/bitnet" --min-shards 3 --max-shard-bytes 1048576

  step "convert prequantized to dense" converted "$falcon/prequantized" dense --to dense
  step "  same tensors as onebitllms wrote" check safetensors "$out/dense" "$falcon/bfloat16"

  step "convert packed to dense" converted "$falcon/bitnet" unpacked --to dense
  # Packed trits have one zero; onebitllms, starting from the latents, writes -0 for small negative ones.
  step "  same numbers as onebitllms wrote" check safetensors "$out/unpacked" "$falcon/bfloat16" --one-zero

  step "make patches" eval '
    "$tritsmith" diff "$falcon/bitnet" "$b158/packed" -o "$out/other.tritdiff" --quiet >"$out/ignored" &&
    "$tritsmith" convert "$checkpoints/plain-tiny" "$out/plain-packed" --to hf-packed --quiet >"$out/ignored" &&
    "$tritsmith" diff "$falcon/bitnet" "$out/plain-packed" -o "$out/plain.tritdiff" --quiet >"$out/ignored"'
  step "  a second reader gives the same files" eval '
    "$python" "$here/tritdiff_reader.py" "$falcon/bitnet" "$out/plain.tritdiff" "$out/plain-again" &&
    diff -r "$out/plain-packed" "$out/plain-again" &&
    "$python" "$here/tritdiff_reader.py" "$falcon/bitnet" "$out/other.tritdiff" "$out/other-again" &&
    diff -r "$b158/packed" "$out/other-again"'

  step "convert to tritpack" converted "$falcon/prequantized" report.tritpack --to tritpack
  step "convert to gguf" converted "$falcon/bitnet" report.gguf --to gguf
  head -c 1500 "$falcon/reference/perplexity_text.txt" >"$out/short.txt"

  step "convert the b1.58 master to hf-packed" converted "$b158/bf16-master" b158 --to hf-packed
  step "  same tensors as the packed fixture" check safetensors "$out/b158" "$b158/packed"
  step "  same trits as numpy" check packed_numpy "$b158/bf16-master" "$out/b158"

  step "every number of a gap, dense against packed" \
    check gap_numpy "$tritsmith" "$falcon/bfloat16" "$falcon/bitnet" "$falcon/reference/perplexity_ids.safetensors"
  step "every number of a gap, latent weights run as ordinary ones against packed ones" \
    check gap_numpy "$tritsmith" "$falcon/prequantized" "$falcon/bitnet" \
    "$falcon/reference/perplexity_ids.safetensors" --tokens 1000 --mode reference --reference-projections plain
  step "every number of a gap, latent weights in float32 against packed ones" \
    check gap_numpy "$tritsmith" "$falcon/prequantized" "$falcon/bitnet" \
    "$falcon/reference/perplexity_ids.safetensors" --tokens 1000 --reference-projections online-float32
  step "every number of a gap, b1.58" \
    check gap_numpy "$tritsmith" "$b158/bf16-master" "$b158/packed" "$b158/reference/perplexity_ids.safetensors" \
    --tokens 1000 --bos "$(bos "$b158/packed")"
}

# GGUF in every layout, read by gguf-py.
gguf_steps() {
  local model packed source layout
  for model in falcon b158; do
    case $model in
      falcon) source=$falcon/prequantized packed=$falcon/bitnet ;;
      b158) source=$b158/packed packed=$b158/packed ;;
    esac
    for layout in TQ1_0 TQ2_0 I2_S BF16 F16 F32; do
      step "convert $model to GGUF, $layout" converted "$source" "$model-$layout.gguf" --to gguf --layout $layout
      step "  gguf-py reads the same numbers" check gguf "$out/$model-$layout.gguf" "$packed"
    done
  done
  for layout in group64 rows4; do
    step "convert falcon to GGUF, I2_S $layout" \
      converted "$falcon/bitnet" "falcon-$layout.gguf" --to gguf --layout I2_S --i2s-order $layout
    step "  gguf-py reads the same numbers" check gguf "$out/falcon-$layout.gguf" "$falcon/bitnet"
  done
  for layout in bf16 f32 q8_0; do
    step "convert falcon to GGUF, embeddings in $layout" \
      converted "$falcon/bitnet" "falcon-emb-$layout.gguf" --to gguf --embeddings $layout
    step "  gguf-py reads the same numbers" check gguf "$out/falcon-emb-$layout.gguf" "$falcon/bitnet"
  done
  step "GGUF back to hf-packed" converted "$out/falcon-emb-bf16.gguf" from-gguf --to hf-packed
  step "  same tensors as onebitllms wrote" check safetensors "$out/from-gguf" "$falcon/bitnet"
}

# Models by their names, over a network that is all on this machine.
hub_steps() {
  step "models of the Hub" check hub "$tritsmith" "$checkpoints"
}

# The Python module, in an environment of its own with this very program.
wheel_steps() {
  step "make a wheel for this machine" "$here/../../.ci/wheel" "$out" --local "$tritsmith"
  step "  it installs, and every function works" check wheel "$out"/tritsmith-*.whl "$checkpoints"
}

# llama.cpp, where LLAMA_PYTHON names an interpreter with llama-cpp-python. Needs the files gguf_steps leaves behind.
llama_steps() {
  if [ -z "${LLAMA_PYTHON:-}" ]; then
    echo "== llama.cpp is left out: LLAMA_PYTHON is not set"
    return
  fi
  local layout
  llama() { "$LLAMA_PYTHON" "$here/check_llama_cpp.py" "$@"; }
  step "convert bfloat16 to GGUF, all F32" \
    converted "$falcon/bfloat16" dense-F32.gguf --to gguf --layout F32 --embeddings f32
  step "  llama.cpp computes what transformers does" \
    llama "$out/dense-F32.gguf" "$falcon/reference/bfloat16" --kind exact --cache f32 --save "$out/dense-F32.logits"
  step "  tritsmith computes what llama.cpp does" "$tritsmith" validate "$falcon/bfloat16" \
    --against "$out/dense-F32.logits" --max-mean-kl 1e-7 --max-logit-nmse 1e-8 --min-top1 1
  step "llama.cpp runs BF16" llama "$out/falcon-BF16.gguf" "$falcon/reference/bfloat16" --kind dense
  step "logits with activations rounded as llama.cpp does" "$python" "$here/make_q8k_logits.py" \
    "$falcon/bitnet" "$falcon/bfloat16" "$falcon/reference/bitnet/logits.safetensors" "$out/q8k.safetensors"
  for layout in TQ1_0 TQ2_0; do
    step "llama.cpp runs $layout" llama "$out/falcon-$layout.gguf" "$falcon/reference/bitnet" --kind ternary \
      --save "$out/$layout.logits"
    step "  and with an F32 cache" llama "$out/falcon-$layout.gguf" "$falcon/reference/bitnet" --kind q8k \
      --cache f32 --logits "$out/q8k.safetensors"
    # Bounds of check_llama_cpp.py; NMSE, like KL, twice that of the model whose activations are not rounded (2.5e-4).
    step "  tritsmith as the referee" "$tritsmith" validate "$falcon/bitnet" --against "$out/$layout.logits" \
      --max-mean-kl 1.5e-3 --max-logit-nmse 5e-4
  done
}

# A Qwen3 with a scale for each 128 weights and a tied ternary embedding, too large for Fixtures: BONSAI names its folder, with
# unpacked, mlx-2bit, mlx-2bit-damaged, gguf and reference in it. Referees are transformers' logits, and the programs at hand.
bonsai_steps() {
  if [ -z "${BONSAI:-}" ]; then
    echo "== Qwen3 with scales of groups is left out: BONSAI is not set"
    return
  fi
  local form logits=$BONSAI/reference/unpacked/logits.safetensors gates
  gates=(--max-mean-kl 1e-9 --max-logit-nmse 1e-9 --min-top1 1)
  for form in unpacked mlx-2bit gguf/{q2_0-g64,q2_0-g128-legacy,pq2_0,ptq1_0}.gguf; do
    step "$form computes what transformers does" "$tritsmith" validate "$BONSAI/$form" --against "$logits" \
      --against-hidden "$BONSAI/reference/unpacked/hidden_prompt0.safetensors" "${gates[@]}"
  done
  mkdir "$out/yarn" && cp "$BONSAI/unpacked/"* "$out/yarn" && cp -f "$BONSAI/reference/unpacked-yarn/config.json" "$out/yarn"
  step "YaRN computes what transformers does" "$tritsmith" validate "$out/yarn" \
    --against "$BONSAI/reference/unpacked-yarn/logits.safetensors" "${gates[@]}"
  step "TQ2_0, which lost scales, does not" exits 1 "$tritsmith" validate "$BONSAI/gguf/tq2_0.gguf" --against "$logits"
  step "a damaged pack is named" exits 65 "$tritsmith" validate "$BONSAI/mlx-2bit-damaged" --against "$logits"
  bonsai_mlx_steps
  bonsai_llama_steps
}

# exits STATUS COMMAND...: what is to end with this status does.
exits() {
  local expected=$1 status
  shift
  "$@"
  status=$?
  [ "$status" -eq "$expected" ] || { echo "exit $status instead of $expected"; return 1; }
}

bonsai_mlx_steps() {
  if [ -z "${MLX_PYTHON:-}" ]; then
    echo "== MLX is left out: MLX_PYTHON is not set"
    return
  fi
  local source
  mlx() { "$MLX_PYTHON" "$here/check_mlx.py" "$@"; }
  for source in unpacked gguf/ptq1_0.gguf; do
    step "convert $source to MLX" converted "$BONSAI/$source" "mlx-${source##*/}" --to mlx
    step "  mlx-lm reads the same model" mlx "$out/mlx-${source##*/}" "$BONSAI/reference/unpacked" \
      --like "$BONSAI/mlx-2bit" --values "$BONSAI/unpacked"
  done
  step "convert YaRN to MLX" converted "$out/yarn" mlx-yarn --to mlx
  step "  mlx-lm reads the same model" mlx "$out/mlx-yarn" "$BONSAI/reference/unpacked-yarn"
}

bonsai_llama_steps() {
  if [ -z "${LLAMA_PYTHON:-}" ]; then
    echo "== llama.cpp is left out: LLAMA_PYTHON is not set"
    return
  fi
  local source reference=$BONSAI/reference
  llama() { "$LLAMA_PYTHON" "$here/check_llama_cpp.py" "$@" --normalize NFC; }
  step "convert Qwen3 to GGUF, all F32" \
    converted "$BONSAI/unpacked" bonsai-F32.gguf --to gguf --layout F32 --embeddings f32
  step "  llama.cpp computes what transformers does" \
    llama "$out/bonsai-F32.gguf" "$reference/unpacked" --kind exact --cache f32
  step "convert YaRN to GGUF, all F32" converted "$out/yarn" yarn-F32.gguf --to gguf --layout F32 --embeddings f32
  step "  llama.cpp computes what transformers does" \
    llama "$out/yarn-F32.gguf" "$reference/unpacked-yarn" --kind exact --cache f32
  for source in unpacked mlx-2bit gguf/ptq1_0.gguf; do
    step "convert $source to GGUF, Q2_0" \
      converted "$BONSAI/$source" "bonsai-${source##*/}-Q2_0.gguf" --to gguf --layout Q2_0
    step "  llama.cpp runs it" llama "$out/bonsai-${source##*/}-Q2_0.gguf" "$reference/unpacked" --kind q2_0 \
      --save "$out/bonsai-Q2_0.logits"
    # Bounds of check_llama_cpp.py; NMSE twice that of the model whose inputs are rounded so in transformers.
    step "  tritsmith as the referee" "$tritsmith" validate "$BONSAI/$source" --against "$out/bonsai-Q2_0.logits" \
      --max-mean-kl 4.6e-4 --max-logit-nmse 1.5e-4 --min-top1 0.96
  done
  if [ -z "${LLAMA_QUANTIZE:-}" ]; then
    echo "== llama-quantize is left out: LLAMA_QUANTIZE is not set"
    return
  fi
  step "llama-quantize makes Q2_0 of F16" eval '
    "$tritsmith" convert "$BONSAI/unpacked" "$out/bonsai-F16.gguf" --to gguf --layout F16 --quiet &&
    "$LLAMA_QUANTIZE" --pure "$out/bonsai-F16.gguf" "$out/quantized.gguf" Q2_0 >"$out/quantize.log" 2>&1'
  step "  the same bytes as tritsmith writes" check gguf "$out/bonsai-unpacked-Q2_0.gguf" --like "$out/quantized.gguf"
}

# report NAME EXPECTED_EXIT ARGUMENTS...: a JSON report of a command, whose exit code is part of the contract.
report() {
  local name=$1 expected=$2 status
  shift 2
  "$tritsmith" "$@" --format json >"$out/$name.json"
  status=$?
  [ "$status" -eq "$expected" ] || { echo "exit $status instead of $expected: $*"; return 1; }
}

# Every command's JSON, of models of every kind, against its published schema. Needs the folders light_steps leaves.
json_steps() {
  local plain=$checkpoints/plain-tiny
  mkdir -p "$out/json"
  step "reports of inspect" eval '
    report json/inspect-latent 0 inspect "$falcon/prequantized" &&
    report json/inspect-packed 0 inspect "$falcon/bitnet" --stats &&
    report json/inspect-tritpack 0 inspect "$out/report.tritpack" --stats &&
    report json/inspect-gguf 0 inspect "$out/report.gguf" --stats &&
    report json/tensor 0 inspect "$falcon/bitnet" --tensor "*.0.*q_proj*" --raw "$out/q.f32" &&
    report json/tensor-dense 0 inspect "$out/report.gguf" --tensor output_norm.weight --raw "$out/norm.bytes" &&
    report json/metadata 0 inspect "$out/report.gguf" --metadata "general.*"'
  step "reports of conversions" eval '
    report json/plan 0 convert "$falcon/prequantized" "$out/nothing" --to hf-packed --dry-run &&
    report json/plan-gguf 0 convert "$falcon/bitnet" "$out/nothing.gguf" --to gguf --dry-run &&
    report json/convert 0 convert "$falcon/prequantized" "$out/report-packed" --to hf-packed --certificate "$out/json/c.json" &&
    report json/convert-gguf 0 convert "$falcon/bitnet" "$out/report-2.gguf" --to gguf --certificate "$out/json/c2.json"'
  step "reports of conversions in parts" eval '
    report json/shard-plan 0 convert "$falcon/prequantized" "$out/parts" --to hf-packed --plan "$out/parts.plan" &&
    report json/shard-worker 0 convert --plan "$out/parts.plan" --worker 1/2 &&
    report json/shard-worker-idle 0 convert --plan "$out/parts.plan" --worker 50/50 &&
    report json/shard-worker-2 0 convert --plan "$out/parts.plan" --worker 2/2 &&
    report json/shard-finish 0 convert --plan "$out/parts.plan" --finish'
  step "reports of proofs" eval '
    report json/certify 0 certify "$falcon/prequantized" "$out/report-packed" --check "$out/json/c.json" &&
    report json/certify-hashes 0 certify "$falcon/prequantized" --check "$out/json/c.json" --hashes-only &&
    report json/certify-fails 1 certify "$falcon/bfloat16" --check "$out/json/c.json" --hashes-only &&
    report json/verify 0 verify "$falcon/prequantized" "$out/packed" &&
    report json/verify-fails 1 verify "$falcon/prequantized" "$b158/packed" &&
    report json/compare 0 compare "$falcon/bitnet" "$out/packed" &&
    report json/compare-fails 1 compare "$falcon/bitnet" "$b158/packed" &&
    report json/diff 0 diff "$falcon/bitnet" "$b158/packed" -o "$out/json.tritdiff" &&
    report json/patch 0 inspect "$out/json.tritdiff" &&
    report json/apply 0 apply "$falcon/bitnet" "$out/json.tritdiff" -o "$out/json-applied" &&
    report json/family 0 family "$falcon/bfloat16" "$falcon/bitnet" "$falcon/prequantized" &&
    report json/check 0 check "$falcon/bitnet" &&
    report json/check-b158 0 check "$b158/packed"'
  step "reports of runs" eval '
    report json/validate 0 validate "$out/packed" --against "$falcon/bitnet" &&
    report json/run 0 run "$falcon/bitnet" --prompt "In the beginning" --max-tokens 4 &&
    report json/tokenize 0 tokenize "$falcon/bitnet" --text "In the beginning" &&
    report json/perplexity 0 perplexity "$falcon/bitnet" --text-file "$out/short.txt" &&
    report json/logits 0 logits "$falcon/bitnet" --text "In the" -o "$out/logits.safetensors" --hidden &&
    report json/gap 0 gap "$falcon/bfloat16" "$falcon/bitnet" --tokens 255 --attribute --attribute-tokens 64 &&
    report json/gap-fails 1 gap "$plain" "$falcon/bitnet" --tokens 64 --max-mean-kl 0.001'
  step "  all agree with Docs/Schemas" check json "$out"/json/*.json
}

# Needs the folders light_steps leaves behind: here their config.json counts as much as their tensors.
full_steps() {
  local folder
  for folder in packed from-shards to-shards; do
    step "transformers runs $folder" check transformers "$out/$folder" "$falcon/reference/bitnet/logits.safetensors"
  done
  for folder in dense unpacked; do
    step "transformers runs $folder" check transformers "$out/$folder" "$falcon/reference/bfloat16/logits.safetensors"
  done
  step "transformers runs b158" check transformers "$out/b158" "$b158/reference/packed/logits.safetensors"
}

finish() {
  local title
  echo
  for title in "${failed[@]}"; do
    echo "failed: $title"
  done
  echo "$passed passed, ${#failed[@]} failed"
  [ ${#failed[@]} -eq 0 ]
}
