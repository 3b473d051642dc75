// Tritsmith: AVX2 products of packed codes with many tokens.
//
// The bytes of a panel are decoded once for all tokens. It takes half of a first cache; the other half is left to the
// activations of a tile and their sums.
#if defined(__x86_64__)
#include "avx2.h"

enum { panel_bytes = 256, place_vectors = panel_bytes / 2 };

INLINE void tile(const __m256i *panel, const int8_t *q, size_t q_stride, int N, size_t count, int32_t *sums) {
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

AVX2 void trit_avx2_packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                   size_t q_stride, size_t tokens, int32_t *sums) {
  __m256i panel[4 * place_vectors];
  const size_t place_columns = is_split ? width : 0, place_sums = is_split ? 0 : tokens * TRIT_TILE_ROWS;
  memset(sums, 0, (is_split ? 1 : 4) * tokens * TRIT_TILE_ROWS * sizeof *sums);
  for (size_t m = 0; m < width; m += panel_bytes) {
    size_t n = width - m < panel_bytes ? width - m : panel_bytes;
    for (size_t i = 0; i < n; i += vector_bytes)
      fill_panel(w + m + i, width, rows, n - i, panel + i / 2, place_vectors);
#define WITH(N)                                                                                        \
  for (size_t k = 0; k < 4; k++)                                                                       \
    tile(panel + k * place_vectors, q + t * q_stride + k * place_columns + m, q_stride, N, n,          \
         sums + k * place_sums + t * TRIT_TILE_ROWS)
    size_t t = 0;
    for (; t + tile_tokens <= tokens; t += tile_tokens) WITH(tile_tokens);
    for (; t + 2 <= tokens; t += 2) WITH(2);
    if (t < tokens) WITH(1);
#undef WITH
  }
}
#endif
