// Tritsmith: tiles of sixteen rows and some tokens in registers of 32 bytes, shared by the x86 tables.
//
// The including file defines TARGET, `asks_ahead`, whether weights are asked for before they are read, and how unsigned
// codes meet signed activations: `add_products(sums, codes, x)` adds the products of 32 bytes, `whole_sums(sums)` gives
// their sums in fours as eight numbers of 32 bits, `join_sums(a, b)` those of a and of a quarter of b.
//
// A panel holds the codes of sixteen rows, columns in fours: a vector is four columns of eight rows. Four activations
// of a token, broadcast by their load, meet two such vectors, so the sums of a row stay in its own lane and nothing is
// added across a vector.
#ifndef TRIT_TILES_H
#define TRIT_TILES_H
#include "../include/trit_inference.h"

#include <immintrin.h>
#include <string.h>

#define TILE TARGET static inline __attribute__((always_inline))

// Twelve accumulators, two vectors of codes, one of activations and one of products fill the sixteen registers. A lane
// of 16 bits takes products of 2 * 3 * 128 at most: those of 128 columns stay below 2^15.
enum { vector_bytes = 32, tile_tokens = 6, tile_columns = 128 };

TILE __m256i add_products(__m256i sums, __m256i codes, __m256i x);
TILE __m256i whole_sums(__m256i sums);
TILE __m256i join_sums(__m256i a, __m256i b);

// 32 bytes from `n` of them, zeros after: codes 0, which add nothing.
TILE __m256i load_bytes(const uint8_t *w, size_t n) {
  if (n >= vector_bytes) return _mm256_loadu_si256((const __m256i *)w);
  uint8_t buffer[vector_bytes] = {0};
  memcpy(buffer, w, n);
  return _mm256_loadu_si256((const __m256i *)buffer);
}

// Asks for weights that are read once, a page before they are. Left to the hardware, whose requests end with each page,
// products of one token read 0.70 of what plain reading does (Zen 3); so they read 0.93. What lies behind the weights
// may be asked for too: it does nothing.
TILE void ask_ahead(const uint8_t *w) {
  if (asks_ahead) _mm_prefetch((const char *)w + 4096, _MM_HINT_T0);
}

TILE __m256i load_q(const int8_t *q) { return _mm256_loadu_si256((const __m256i *)q); }

// Four activations, eight times.
TILE __m256i four_columns(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm256_set1_epi32(four);
}

// The codes of 32 bytes: those of place k at codes[k * place].
TILE void store_codes(__m256i v, __m256i *codes, size_t place) {
  const __m256i mask = _mm256_set1_epi8(3);
  codes[0] = _mm256_and_si256(v, mask);
  codes[place] = _mm256_and_si256(_mm256_srli_epi16(v, 2), mask);
  codes[2 * place] = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
  codes[3 * place] = _mm256_and_si256(_mm256_srli_epi16(v, 6), mask);
}

// sums[2 t] and sums[2 t + 1]: token t with the first and the last eight rows, `steps` times four columns.
TILE void tile_sums(const __m256i *panel, const int8_t *q, size_t q_stride, int N, size_t steps, __m256i *sums) {
  __m256i s[2 * tile_tokens];
  for (int k = 0; k < 2 * N; k++) s[k] = _mm256_setzero_si256();
#pragma clang loop unroll_count(2)
  for (size_t i = 0; i < steps; i++) {
    __m256i a = panel[2 * i], b = panel[2 * i + 1];
    for (int t = 0; t < N; t++) {
      __m256i x = four_columns(q + (size_t)t * q_stride + 4 * i);
      s[2 * t] = add_products(s[2 * t], a, x);
      s[2 * t + 1] = add_products(s[2 * t + 1], b, x);
    }
  }
  for (int k = 0; k < 2 * N; k++) sums[k] = whole_sums(s[k]);
}

#endif
