#!/usr/bin/env bash
# Fuzzes one reader with libFuzzer and AddressSanitizer.
#
#   Tests/Fuzzing/run.sh TARGET SECONDS     TARGET: safetensors shard-index tritpack gguf tritdiff tokenizer config
#                                           adapter record structured mlx hub sentencepiece chat
#   Tests/Fuzzing/run.sh TARGET RUNS runs   so many executions
#   Tests/Fuzzing/run.sh build              builds the driver only
#
# TRITSMITH_FUZZ_DEEP=1: every step for every input, and values of comparisons lead the search as well. Without it what
# is dear is done for one input in eight, chosen by its bytes, and a second does more executions.
#
# The grown corpus is kept in .build/fuzzing/corpus/TARGET and used again. An input that ends the process is left in
# .build/fuzzing/found; put it in Fixtures/Hostile as found-NAME, with a sentence in found.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=.build/fuzzing
export TRITSMITH_FUZZING=1
# The backtracer would outlive a crash and hold the terminal.
export SWIFT_BACKTRACE=enable=no

usage() {
  sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
  exit 64
}

make_driver() {
  swift build -c release --product trit-fuzz --scratch-path "$build" -Xswiftc -enable-testing \
    -Xswiftc -sanitize=fuzzer,address -Xcc -fsanitize=fuzzer-no-link,address -Xswiftc -use-ld=lld
}

case "$#:${1-}" in
  1:build)
    make_driver
    exit
    ;;
  2:*) limit=-max_total_time=$2 ;;
  3:*) [ "$3" = runs ] && limit=-runs=$2 || usage ;;
  *) usage ;;
esac
[[ $2 =~ ^[0-9]+$ ]] || usage

target=$1
[ -d "Fixtures/Hostile/$target" ] || usage
[ "${TRITSMITH_FUZZ_BUILT-}" ] || make_driver
mkdir -p "$build/corpus/$target" "$build/found" "$build/logs"
# No allocation above 48 MB: what a hostile file of 1 MB may cost in all is 64 MB.
export TRITSMITH_FUZZ_TARGET=$target
# Stacks of allocations are kept by the run that looks at a finding; freed memory is held back as long as an input lasts.
export ASAN_OPTIONS=${ASAN_OPTIONS-malloc_context_size=0:quarantine_size_mb=4:thread_local_quarantine_size_kb=64:max_free_fill_size=0}
# Longer inputs are slow, and what they try lies in their length: the corpus, which `swift test` replays, has them.
case $target in mlx | sentencepiece | chat | hub) length=4608 ;; *) length=16384 ;; esac
exec "$build/release/trit-fuzz" "$build/corpus/$target" "Fixtures/Hostile/$target" \
  -artifact_prefix="$build/found/$target-" "$limit" -max_len="$length" -timeout=40 -rss_limit_mb=1024 \
  -malloc_limit_mb=48 -len_control=0 -detect_leaks=0 -print_final_stats=1 \
  -use_value_profile="${TRITSMITH_FUZZ_DEEP:-0}"
