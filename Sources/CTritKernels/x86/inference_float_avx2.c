// Tritsmith: AVX2 versions of the forward pass's float operations.
#if defined(__x86_64__)
#include "inference_float.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define AVX2 __attribute__((target("avx2,f16c")))
#define INLINE AVX2 static inline __attribute__((always_inline))
#define TARGET AVX2
#include "../exponentials.h"

// Sum of eight int32 lanes.
INLINE int32_t sum_lanes(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
  return _mm_cvtsi128_si32(s);
}

// Eight values from `n` of them, zeros after.
INLINE __m256 load_part(const float *x, size_t n) {
  float buffer[8] = {0};
  memcpy(buffer, x, n * sizeof(float));
  return _mm256_loadu_ps(buffer);
}

AVX2 void trit_avx2_quantize_row(const float *x, size_t count, int8_t *q, float *scale, int32_t *sum) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  // Patterns without sign order as numbers do, with NaN above infinity: a maximum that never loses a NaN.
  __m256i top = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(x + i)), magnitude));
  }
  if (i < count) top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(load_part(x + i, count - i)), magnitude));
  int32_t tops[8], bits = 0;
  _mm256_storeu_si256((__m256i *)tops, top);
  for (int k = 0; k < 8; k++) bits = tops[k] > bits ? tops[k] : bits;
  float largest;
  memcpy(&largest, &bits, 4);
  float bound = largest < 1e-5f ? 1e-5f : largest;
  float s = 1.0f / bound;
  s = s * 127.0f;
  *scale = s;
  *sum = 0;
  if (bits >= 0x7F800000) {
    memset(q, 0, count);
    return;
  }
  const __m256 factor = _mm256_set1_ps(s);
  const __m256i low = _mm256_set1_epi32(-128), high = _mm256_set1_epi32(127);
  __m256i total = _mm256_setzero_si256();
  for (i = 0; i < count; i += 8) {
    size_t n = count - i < 8 ? count - i : 8;
    __m256 v = n == 8 ? _mm256_loadu_ps(x + i) : load_part(x + i, n);
    // The conversion rounds half to even; |x * s| is at most 127 and a little, so it never overflows.
    __m256i r = _mm256_cvtps_epi32(_mm256_mul_ps(v, factor));
    r = _mm256_min_epi32(_mm256_max_epi32(r, low), high);
    total = _mm256_add_epi32(total, r);
    __m256i words = _mm256_packs_epi32(r, r);
    __m256i bytes = _mm256_packs_epi16(words, words);
    uint32_t parts[2] = {(uint32_t)_mm256_extract_epi32(bytes, 0), (uint32_t)_mm256_extract_epi32(bytes, 4)};
    memcpy(q + i, parts, n);
  }
  *sum = sum_lanes(total);
}

AVX2 void trit_avx2_exponentials(float *x, size_t count) { exponentials(x, count); }

AVX2 void trit_avx2_expand_codes(const uint8_t *w, size_t count, unsigned plane, uint8_t *codes) {
  const __m256i mask = _mm256_set1_epi8(3);
  const __m128i shift = _mm_cvtsi32_si128((int)(2 * plane));
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(w + i));
    _mm256_storeu_si256((__m256i *)(codes + i), _mm256_and_si256(_mm256_srl_epi16(v, shift), mask));
  }
  for (; i < count; i++) codes[i] = w[i] >> (2 * plane) & 3;
}

AVX2 void trit_avx2_widen_trits(const uint8_t *w, size_t count, unsigned plane, float value, float *out) {
  const __m256i mask = _mm256_set1_epi32(3), one = _mm256_set1_epi32(1);
  const __m128i shift = _mm_cvtsi32_si128((int)(2 * plane));
  const __m256 factor = _mm256_set1_ps(value);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(w + i)));
    v = _mm256_sub_epi32(_mm256_and_si256(_mm256_srl_epi32(v, shift), mask), one);
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(v), factor));
  }
  for (; i < count; i++) out[i] = (float)((int)(w[i] >> (2 * plane) & 3) - 1) * value;
}

typedef enum { KIND_BF16, KIND_F16, KIND_F32 } weight_kind;

INLINE __m256 load_weights(const char *w, size_t index, size_t n, weight_kind kind) {
  if (kind == KIND_F32) {
    const char *p = w + 4 * index;
    if (n == 8) return _mm256_loadu_ps((const float *)p);
    float buffer[8] = {0};
    memcpy(buffer, p, 4 * n);
    return _mm256_loadu_ps(buffer);
  }
  const char *p = w + 2 * index;
  __m128i v;
  if (n == 8) {
    v = _mm_loadu_si128((const __m128i *)p);
  } else {
    uint16_t buffer[8] = {0};
    memcpy(buffer, p, 2 * n);
    v = _mm_loadu_si128((const __m128i *)buffer);
  }
  if (kind == KIND_F16) return _mm256_cvtph_ps(v);
  // Both halves get all eight patterns from their load; each then puts its four above zeros, in one instruction.
  const __m256i places = _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                                          -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15);
  return _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(v), places));
}

// Weights as floats: columns of a few rows, which many tokens read again, and the lanes of their dots. Both stay in the
// first cache, where inputs, often a multiple of 4 kB apart, would push each other out.
enum { block_rows = 8, block_columns = 512, block_tokens = 16 };
typedef struct {
  float weights[block_rows][block_columns];
  __m256 lanes[block_tokens][block_rows];
} dot_block;

// Adds the products of `count` columns, a multiple of 8, of R rows and N tokens to lanes[t * lane_stride + r]. Weights
// go to `wide` too, block_columns a row, unless it is NULL. Accumulators stay in registers for R * N <= 8.
INLINE void add_products(const char *w, size_t row_bytes, int R, const float *x, size_t x_stride, int N, size_t count,
                         __m256 *lanes, size_t lane_stride, weight_kind kind, float *wide) {
  __m256 sums[8];
  for (int t = 0; t < N; t++) {
    for (int r = 0; r < R; r++) sums[t * R + r] = lanes[t * lane_stride + r];
  }
#pragma clang loop unroll_count(2)
  for (size_t i = 0; i < count; i += 8) {
    // One token reads weights as fast as memory gives them: ask for the same place of the next four rows. Rows are
    // often a multiple of 4 kB apart and then share a set of the first cache, so they are fetched to the second.
    if (N == 1 && R == 4 && i % 32 == 0) {
      size_t ahead = 4 * row_bytes + (kind == KIND_F32 ? 4 : 2) * i;
      for (int r = 0; r < R; r++) _mm_prefetch(w + r * row_bytes + ahead, _MM_HINT_T1);
    }
    __m256 input[2];
    for (int t = 0; t < N; t++) input[t] = _mm256_loadu_ps(x + t * x_stride + i);
    for (int r = 0; r < R; r++) {
      __m256 weight = load_weights(w + r * row_bytes, i, 8, kind);
      if (wide) _mm256_storeu_ps(wide + r * block_columns + i, weight);
      for (int t = 0; t < N; t++) sums[t * R + r] = _mm256_add_ps(sums[t * R + r], _mm256_mul_ps(weight, input[t]));
    }
  }
  for (int t = 0; t < N; t++) {
    for (int r = 0; r < R; r++) lanes[t * lane_stride + r] = sums[t * R + r];
  }
}

INLINE float joined(__m256 lanes) {
  __m256 v = _mm256_hadd_ps(lanes, lanes);
  v = _mm256_hadd_ps(v, v);
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

// Adds the products from `first` on, fewer than 8, of R rows and N tokens to lanes[t * lane_stride + r].
INLINE void add_last(const char *w, size_t row_bytes, size_t R, const float *x, size_t x_stride, size_t N, size_t first,
                     size_t count, __m256 *lanes, size_t lane_stride, weight_kind kind) {
  if (first == count) return;
  // Zeros add nothing: a lane is never -0, so the bits stay what the definition gives.
  __m256 weights[block_rows];
  for (size_t r = 0; r < R; r++) weights[r] = load_weights(w + r * row_bytes, first, count - first, kind);
  for (size_t t = 0; t < N; t++) {
    __m256 input = load_part(x + t * x_stride + first, count - first);
    for (size_t r = 0; r < R; r++) {
      __m256 *sum = lanes + t * lane_stride + r;
      *sum = _mm256_add_ps(*sum, _mm256_mul_ps(weights[r], input));
    }
  }
}

// Dots of R rows with N tokens.
INLINE void dot_tile(const char *w, size_t row_bytes, int R, const float *x, size_t x_stride, int N, size_t count,
                     float *y, size_t y_stride, weight_kind kind) {
  const size_t whole = count / 8 * 8;
  __m256 lanes[8];
  for (int k = 0; k < R * N; k++) lanes[k] = _mm256_setzero_ps();
  add_products(w, row_bytes, R, x, x_stride, N, whole, lanes, R, kind, NULL);
  add_last(w, row_bytes, R, x, x_stride, N, whole, count, lanes, R, kind);
  for (int t = 0; t < N; t++) {
    for (int r = 0; r < R; r++) y[t * y_stride + r] = joined(lanes[t * R + r]);
  }
}

// Adds the products of a block's columns, of four rows: the first two tokens widen the weights for the others.
INLINE void add_block(dot_block *block, size_t row, const char *w, size_t row_bytes, const float *x, size_t x_stride,
                      size_t tokens, size_t count, weight_kind kind) {
  float *wide = block->weights[row];
  add_products(w, row_bytes, 4, x, x_stride, 2, count, &block->lanes[0][row], block_rows, kind, wide);
  for (size_t t = 2; t + 2 <= tokens; t += 2)
    add_products((const char *)wide, sizeof block->weights[0], 4, x + t * x_stride, x_stride, 2, count,
                 &block->lanes[t][row], block_rows, KIND_F32, NULL);
  if (tokens % 2)
    add_products((const char *)wide, sizeof block->weights[0], 4, x + (tokens - 1) * x_stride, x_stride, 1, count,
                 &block->lanes[tokens - 1][row], block_rows, KIND_F32, NULL);
}

// Dots of `rows` rows, 4 or 8, with 2 tokens or more, block_tokens at most.
INLINE void dot_rows(const char *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                     size_t count, float *y, size_t y_stride, weight_kind kind) {
  const size_t whole = count / 8 * 8;
  dot_block block;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) block.lanes[t][r] = _mm256_setzero_ps();
  }
  for (size_t i = 0; i < whole; i += block_columns) {
    size_t n = whole - i < block_columns ? whole - i : block_columns;
    for (size_t r = 0; r < rows; r += 4)
      add_block(&block, r, w + r * row_bytes + i * (kind == KIND_F32 ? 4 : 2), row_bytes, x + i, x_stride, tokens, n,
                kind);
  }
  add_last(w, row_bytes, rows, x, x_stride, tokens, whole, count, block.lanes[0], block_rows, kind);
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) y[t * y_stride + r] = joined(block.lanes[t][r]);
  }
}

// Dots with block_tokens tokens at most.
INLINE void dot_some(const char *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                     size_t count, float *y, size_t y_stride, weight_kind kind) {
  // A block costs stores and loads of weights and lanes, which few tokens or columns do not win back.
  const size_t fours = rows / 4 * 4, blocked = tokens < 5 || count < block_columns ? 0 : fours;
  for (size_t r = 0; r < blocked; r += block_rows)
    dot_rows(w + r * row_bytes, row_bytes, blocked - r < block_rows ? blocked - r : block_rows, x, x_stride, tokens,
             count, y + r, y_stride, kind);
  for (size_t r = blocked; r < fours; r += 4) {
    const char *p = w + r * row_bytes;
    size_t t = 0;
    for (; t + 2 <= tokens; t += 2)
      dot_tile(p, row_bytes, 4, x + t * x_stride, x_stride, 2, count, y + t * y_stride + r, y_stride, kind);
    if (t < tokens)
      dot_tile(p, row_bytes, 4, x + t * x_stride, x_stride, 1, count, y + t * y_stride + r, y_stride, kind);
  }
  for (size_t r = fours; r < rows; r++) {
    for (size_t t = 0; t < tokens; t++)
      dot_tile(w + r * row_bytes, row_bytes, 1, x + t * x_stride, x_stride, 1, count, y + t * y_stride + r, y_stride,
               kind);
  }
}

INLINE void dot_all(const char *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                    size_t count, float *y, size_t y_stride, weight_kind kind) {
  for (size_t t = 0; t < tokens; t += block_tokens)
    dot_some(w, row_bytes, rows, x + t * x_stride, x_stride, tokens - t < block_tokens ? tokens - t : block_tokens,
             count, y + t * y_stride, y_stride, kind);
}

AVX2 void trit_avx2_dot_bf16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride,
                             size_t tokens, size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_BF16);
}

AVX2 void trit_avx2_dot_f16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride,
                            size_t tokens, size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_F16);
}

AVX2 void trit_avx2_dot_f32(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride,
                            size_t tokens, size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_F32);
}

// Sums of `8 * N` columns; the accumulators stay in registers for N <= 8.
INLINE void sum_columns(const float *weight, const float *v, size_t v_stride, size_t rows, int N, float *out) {
  __m256 s[8];
  for (int k = 0; k < N; k++) s[k] = _mm256_setzero_ps();
  for (size_t r = 0; r < rows; r++, v += v_stride) {
    __m256 f = _mm256_set1_ps(weight[r]);
    for (int k = 0; k < N; k++) s[k] = _mm256_add_ps(s[k], _mm256_mul_ps(f, _mm256_loadu_ps(v + 8 * k)));
  }
  for (int k = 0; k < N; k++) _mm256_storeu_ps(out + 8 * k, s[k]);
}

AVX2 void trit_avx2_weighted_sum(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count,
                                 float *out) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) sum_columns(weight, v + i, v_stride, rows, 8, out + i);
  for (; i + 8 <= count; i += 8) sum_columns(weight, v + i, v_stride, rows, 1, out + i);
  for (; i < count; i++) {
    float s = 0;
    for (size_t r = 0; r < rows; r++) {
      float product = weight[r] * v[r * v_stride + i];
      s = s + product;
    }
    out[i] = s;
  }
}
#endif
