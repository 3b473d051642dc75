// Tritsmith: products of packed codes with many tokens, in tiles.
//
// The bytes of a panel are decoded once for all tokens. It takes half of a first cache; the other half is left to the
// activations of a tile and their sums.
#ifndef TRIT_PACKED_TILES_H
#define TRIT_PACKED_TILES_H
#include "tiles.h"

enum { panel_bytes = 256, place_vectors = panel_bytes / 2 };

// Eight vectors become eight of four bytes of each.
TILE void transpose(__m256i *v) {
  __m256i a[8];
  for (int r = 0; r < 8; r += 2) {
    a[r] = _mm256_unpacklo_epi32(v[r], v[r + 1]);
    a[r + 1] = _mm256_unpackhi_epi32(v[r], v[r + 1]);
  }
  for (int half = 0; half < 2; half++) {
    for (int j = 0; j < 2; j++) {
      // Quarters 0 and 1, 2 and 3 of four rows; the upper lanes hold quarters 4 to 7.
      __m256i low = a[4 * half + j], high = a[4 * half + j + 2];
      v[4 * half + 2 * j] = _mm256_unpacklo_epi64(low, high);
      v[4 * half + 2 * j + 1] = _mm256_unpackhi_epi64(low, high);
    }
  }
  for (int j = 0; j < 4; j++) {
    __m256i low = v[j], high = v[j + 4];
    v[j] = _mm256_permute2x128_si256(low, high, 0x20);
    v[j + 4] = _mm256_permute2x128_si256(low, high, 0x31);
  }
}

// Codes of `n` bytes, 32 at most, of `rows` rows, 16 at most. Rows and bytes that are not there have codes 0.
TILE void fill_panel(const uint8_t *w, size_t row_bytes, size_t rows, size_t n, __m256i *panel) {
  for (size_t half = 0; half < 2; half++, panel++) {
    __m256i v[8];
    for (size_t r = 0; r < 8; r++)
      v[r] = 8 * half + r < rows ? load_bytes(w + (8 * half + r) * row_bytes, n) : _mm256_setzero_si256();
    transpose(v);
    for (int j = 0; j < 8; j++) store_codes(v[j], panel + 2 * j, place_vectors);
  }
}

TILE void packed_tile(const __m256i *panel, const int8_t *q, size_t q_stride, int N, size_t count, int32_t *sums) {
  for (size_t c = 0; c < count; c += tile_columns) {
    size_t n = count - c < tile_columns ? count - c : tile_columns;
    __m256i s[2 * tile_tokens];
    tile_sums(panel + c / 2, q + c, q_stride, N, (n + 3) / 4, s);
#pragma clang loop unroll(full)
    for (int k = 0; k < 2 * N; k++) {
      __m256i *total = (__m256i *)(sums + 8 * k);
      _mm256_storeu_si256(total, _mm256_add_epi32(_mm256_loadu_si256(total), s[k]));
    }
  }
}

// The entry packed_product of a table.
TARGET static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                  size_t q_stride, size_t tokens, int32_t *sums) {
  __m256i panel[4 * place_vectors];
  const size_t place_columns = is_split ? width : 0, place_sums = is_split ? 0 : tokens * TRIT_TILE_ROWS;
  memset(sums, 0, (is_split ? 1 : 4) * tokens * TRIT_TILE_ROWS * sizeof *sums);
  for (size_t m = 0; m < width; m += panel_bytes) {
    size_t n = width - m < panel_bytes ? width - m : panel_bytes;
    for (size_t i = 0; i < n; i += vector_bytes) fill_panel(w + m + i, width, rows, n - i, panel + i / 2);
#define WITH(N)                                                                                         \
  for (size_t k = 0; k < 4; k++)                                                                        \
    packed_tile(panel + k * place_vectors, q + t * q_stride + k * place_columns + m, q_stride, N, n,    \
                sums + k * place_sums + t * TRIT_TILE_ROWS)
    size_t t = 0;
    for (; t + tile_tokens <= tokens; t += tile_tokens) WITH(tile_tokens);
    for (; t + 2 <= tokens; t += 2) WITH(2);
    if (t < tokens) WITH(1);
#undef WITH
  }
}

#endif
