// Tritsmith: products with scales for groups of columns, on vectors of 32 bytes.
//
// The including file defines TARGET, and how the 32 bytes of a block become sums of its groups: `block_sums(v, q, cuts,
// parts)` puts vectors of eight 32-bit partial sums of code * q to parts[0], ..., parts[cuts - 1]. A block is one
// vector, and eight groups give one vector of sums, which is scaled at once. `ask_ahead(w)` may fetch what follows.
#ifndef TRIT_INFERENCE_GROUPED_H
#define TRIT_INFERENCE_GROUPED_H
#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define GROUPED TARGET static inline __attribute__((always_inline))

enum { group_block_bytes = 32, block_columns = 128, most_tokens = 2, block_tokens = 16 };

GROUPED void block_sums(__m256i v, const int8_t *q, int cuts, __m256i *parts);
GROUPED void ask_ahead(const uint8_t *w);

GROUPED __m256i sum_pair(__m256i a, __m256i b) {
  return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

// In both halves the sums of four vectors, in order.
GROUPED __m256i sum_quad(const __m256i *p) {
  __m256i a = sum_pair(p[0], p[1]), b = sum_pair(p[2], p[3]);
  return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

// Sums of eight vectors, in order.
GROUPED __m256i sum_eight(const __m256i *p) {
  __m256i a = sum_quad(p), b = sum_quad(p + 4);
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// `n` numbers of four bytes, zeros after.
GROUPED __m256i load_words(const void *p, size_t n) {
  if (n >= 8) return _mm256_loadu_si256((const __m256i *)p);
  uint32_t buffer[8] = {0};
  memcpy(buffer, p, 4 * n);
  return _mm256_loadu_si256((const __m256i *)buffer);
}

GROUPED __m256 load_scales(const char *p, size_t n, int is_half) {
  if (!is_half) return _mm256_castsi256_ps(load_words(p, n));
  if (n >= 8) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
  uint16_t buffer[8] = {0};
  memcpy(buffer, p, 2 * n);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)buffer));
}

// Adds eight groups of a row with N tokens to their lanes; `count` blocks are there, the groups of others are empty.
GROUPED void add_eight(const uint8_t *w, size_t count, int cuts, const char *scales, int is_half, const int8_t *q,
                       size_t q_stride, const int32_t *sums, const float *units, size_t group_stride, int N,
                       __m256 *lanes) {
  const size_t step = 8 / (size_t)cuts, groups = count * (size_t)cuts;
  __m256i parts[most_tokens][8];
  // Their sums stay in registers: a tenth faster.
#pragma clang loop unroll(full)
  for (size_t k = 0; k < step; k++) {
    if (k >= count) {
      for (int t = 0; t < N; t++)
        for (int c = 0; c < cuts; c++) parts[t][k * (size_t)cuts + (size_t)c] = _mm256_setzero_si256();
      continue;
    }
    ask_ahead(w + k * group_block_bytes);
    __m256i v = _mm256_loadu_si256((const __m256i *)(w + k * group_block_bytes));
    for (int t = 0; t < N; t++)
      block_sums(v, q + (size_t)t * q_stride + k * block_columns, cuts, parts[t] + k * (size_t)cuts);
  }
  __m256 scale = load_scales(scales, groups, is_half);
  for (int t = 0; t < N; t++) {
    __m256i all = load_words(sums + (size_t)t * group_stride, groups);
    __m256 unit = _mm256_castsi256_ps(load_words(units + (size_t)t * group_stride, groups));
    __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum_eight(parts[t]), all)), unit);
    lanes[t] = _mm256_add_ps(lanes[t], _mm256_mul_ps(product, scale));
  }
}

// A row with N tokens. Empty groups add nothing: a lane is never -0.
GROUPED void grouped_row(const uint8_t *w, size_t blocks, int cuts, const char *scales, int is_half, const int8_t *q,
                         size_t q_stride, const int32_t *sums, const float *units, size_t group_stride, int N, float *y,
                         size_t y_stride) {
  const size_t step = 8 / (size_t)cuts, width = is_half ? 2 : 4;
  __m256 lanes[most_tokens];
  for (int t = 0; t < N; t++) lanes[t] = _mm256_setzero_ps();
  size_t b = 0;
  for (; b + step <= blocks; b += step) {
    add_eight(w, step, cuts, scales, is_half, q, q_stride, sums, units, group_stride, N, lanes);
    w += step * group_block_bytes;
    q += step * block_columns;
    scales += 8 * width;
    sums += 8;
    units += 8;
  }
  if (b < blocks) add_eight(w, blocks - b, cuts, scales, is_half, q, q_stride, sums, units, group_stride, N, lanes);
  for (int t = 0; t < N; t++) {
    __m256 v = _mm256_hadd_ps(lanes[t], lanes[t]);
    v = _mm256_hadd_ps(v, v);
    y[(size_t)t * y_stride] = _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
  }
}

#include "../grouped_rows.h"

TARGET static void grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                               int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                               size_t group_stride, size_t tokens, float *y, size_t y_stride) {
#define WITH(CUTS, HALF)                                                                                       \
  grouped_rows(w, rows, blocks, CUTS, (const char *)scales, HALF, q, q_stride, sums, units, group_stride, tokens, y, \
               y_stride)
  if (is_half) {
    if (cuts == 1) WITH(1, 1);
    else if (cuts == 2) WITH(2, 1);
    else WITH(4, 1);
  } else {
    if (cuts == 1) WITH(1, 0);
    else if (cuts == 2) WITH(2, 0);
    else WITH(4, 0);
  }
#undef WITH
}

#endif
