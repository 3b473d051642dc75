#!/usr/bin/env bash
# Rewrites the checksum table of MANIFEST.md, or with --check compares it with the files.
#
#   Fixtures/make-manifest.sh            after adding, changing or removing a fixture
#   Fixtures/make-manifest.sh --check    exit 1 and show the lines that differ
#
# Both refuse a folder above the size limit. The text above the marker is written by hand and kept. What
# make-variants.py makes is not counted: VARIANTS.sha256 has its checksums.
set -euo pipefail
export LC_ALL=C

readonly marker='<!-- checksums: written by make-manifest.sh -->'
readonly limit=56000000

usage() {
  echo "usage: make-manifest.sh [--check]" >&2
  exit 64
}

mode=write
case "$#:${1-}" in
  0:) ;;
  1:--check) mode=check ;;
  *) usage ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -qxF -- "$marker" MANIFEST.md || { echo "MANIFEST.md: the marker line is missing: $marker" >&2; exit 65; }

# Every file but the manifest itself, and those that are made.
sed 's/^[0-9a-f]*  //' VARIANTS.sha256 > "$work/made"
find . -type f ! -path ./MANIFEST.md ! -name '.variant-*' -printf '%P\n' | grep -vxF -f "$work/made" | sort > "$work/files"
{
  echo
  echo '| bytes | SHA-256 | file |'
  echo '|--:|---|---|'
  total=0
  while IFS= read -r file; do
    bytes=$(stat -c %s -- "$file")
    sum=$(sha256sum < "$file")
    echo "| $bytes | \`${sum%% *}\` | $file |"
    total=$((total + bytes))
  done < "$work/files"
  echo
  echo "$(wc -l < "$work/files" | tr -d ' ') files, $total bytes."
  echo "$total" > "$work/total"
} > "$work/table"

total=$(cat "$work/total")
if [ "$total" -gt "$limit" ]; then
  echo "Fixtures hold $total bytes, above the limit of $limit." >&2
  exit 1
fi

sed "/^$marker\$/q" MANIFEST.md > "$work/new"
cat "$work/table" >> "$work/new"
if [ "$mode" = check ]; then
  if ! diff -u MANIFEST.md "$work/new" > "$work/diff"; then
    cat "$work/diff"
    echo "Files and MANIFEST.md differ. If the change is meant, run Fixtures/make-manifest.sh." >&2
    exit 1
  fi
  tail -n 1 "$work/table"
else
  cat "$work/new" > MANIFEST.md
fi
