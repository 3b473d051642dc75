// Tritsmith: what the AVX2 products share: loads, panels of codes, and a tile of rows and tokens in registers.
//
// A panel holds the codes of sixteen rows, columns in fours: a vector is four columns of eight rows. Four activations
// of a token, broadcast by their load, meet two such vectors, so the sums of a row stay in its own lane and nothing is
// added across a vector. A step of a tile is 12 maddubs, 12 adds and 8 loads for 384 multiply-adds.
#ifndef TRIT_AVX2_H
#define TRIT_AVX2_H
#include "inference_float.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,f16c")))
#define INLINE AVX2 static inline __attribute__((always_inline))

// Twelve accumulators, two vectors of codes, one of activations and one of products fill the sixteen registers. A lane
// of 16 bits takes products of 2 * 3 * 128 at most: those of 128 columns stay below 2^15.
enum { vector_bytes = 32, tile_tokens = 6, tile_columns = 128 };

// 32 bytes from `n` of them, zeros after: codes 0, which add nothing.
INLINE __m256i load_bytes(const uint8_t *w, size_t n) {
  if (n >= vector_bytes) return _mm256_loadu_si256((const __m256i *)w);
  uint8_t buffer[vector_bytes] = {0};
  memcpy(buffer, w, n);
  return _mm256_loadu_si256((const __m256i *)buffer);
}

// Asks for weights that are read once, a page before they are. Left to the hardware, whose requests end with each page,
// products of one token read 0.70 of what plain reading does (Zen 3); so they read 0.93. What lies behind the weights
// may be asked for too: it does nothing.
INLINE void ask_ahead(const uint8_t *w) { _mm_prefetch((const char *)w + 4096, _MM_HINT_T0); }

INLINE __m256i load_q(const int8_t *q) { return _mm256_loadu_si256((const __m256i *)q); }

// Eight vectors become eight of four bytes of each.
INLINE void transpose(__m256i *v) {
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

// Codes of `n` bytes, 32 at most, of `rows` rows, 16 at most: those of place k from panel + k * place on. Rows and
// bytes that are not there have codes 0.
INLINE void fill_panel(const uint8_t *w, size_t row_bytes, size_t rows, size_t n, __m256i *panel, size_t place) {
  const __m256i mask = _mm256_set1_epi8(3);
  for (size_t half = 0; half < 2; half++, panel++) {
    __m256i v[8];
    for (size_t r = 0; r < 8; r++)
      v[r] = 8 * half + r < rows ? load_bytes(w + (8 * half + r) * row_bytes, n) : _mm256_setzero_si256();
    transpose(v);
    for (int j = 0; j < 8; j++) {
      panel[2 * j] = _mm256_and_si256(v[j], mask);
      panel[place + 2 * j] = _mm256_and_si256(_mm256_srli_epi16(v[j], 2), mask);
      panel[2 * place + 2 * j] = _mm256_and_si256(_mm256_srli_epi16(v[j], 4), mask);
      panel[3 * place + 2 * j] = _mm256_and_si256(_mm256_srli_epi16(v[j], 6), mask);
    }
  }
}

// sums[2 t] and sums[2 t + 1]: token t with the first and the last eight rows, `steps` times four columns.
INLINE void tile_sums(const __m256i *panel, const int8_t *q, size_t q_stride, int N, size_t steps, __m256i *sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i s[2 * tile_tokens];
  for (int k = 0; k < 2 * N; k++) s[k] = _mm256_setzero_si256();
#pragma clang loop unroll_count(2)
  for (size_t i = 0; i < steps; i++) {
    __m256i a = panel[2 * i], b = panel[2 * i + 1];
    for (int t = 0; t < N; t++) {
      int32_t four;
      memcpy(&four, q + (size_t)t * q_stride + 4 * i, 4);
      __m256i x = _mm256_set1_epi32(four);
      s[2 * t] = _mm256_add_epi16(s[2 * t], _mm256_maddubs_epi16(a, x));
      s[2 * t + 1] = _mm256_add_epi16(s[2 * t + 1], _mm256_maddubs_epi16(b, x));
    }
  }
  for (int k = 0; k < 2 * N; k++) sums[k] = _mm256_madd_epi16(s[k], ones);
}

void trit_avx2_packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                              size_t q_stride, size_t tokens, int32_t *sums);
void trit_avx2_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales, int is_half,
                           const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                           size_t group_stride, size_t tokens, float *y, size_t y_stride);

#endif
