// Tritsmith: AVX-512 VNNI versions of the forward pass's ternary products.
//
// vpdpbusd adds four products of an unsigned and a signed byte to a 32-bit lane: no narrow accumulators, and masked
// loads in place of copied tails.
#if defined(__x86_64__)
#include "inference_float.h"

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define INLINE AVX512 static inline __attribute__((always_inline))

enum { vector_bytes = 64, prefetch_distance = 4096 };

INLINE __m512i load_bytes(const uint8_t *w, size_t n) {
  if (n >= vector_bytes) return _mm512_loadu_si512(w);
  return _mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, w);
}

INLINE void add_codes(__m512i w, __m512i x0, __m512i x1, __m512i x2, __m512i x3, __m512i s[4]) {
  const __m512i mask = _mm512_set1_epi8(3);
  s[0] = _mm512_dpbusd_epi32(s[0], _mm512_and_si512(w, mask), x0);
  s[1] = _mm512_dpbusd_epi32(s[1], _mm512_and_si512(_mm512_srli_epi16(w, 2), mask), x1);
  s[2] = _mm512_dpbusd_epi32(s[2], _mm512_and_si512(_mm512_srli_epi16(w, 4), mask), x2);
  s[3] = _mm512_dpbusd_epi32(s[3], _mm512_and_si512(_mm512_srli_epi16(w, 6), mask), x3);
}

AVX512 static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                              size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    __m512i s[4];
    for (int k = 0; k < 4; k++) s[k] = _mm512_setzero_si512();
    for (size_t c = 0; c < columns; c += vector_bytes) {
      _mm_prefetch((const char *)(w + c + prefetch_distance), _MM_HINT_T0);
      __m512i x = _mm512_loadu_si512(q + c);
      add_codes(load_bytes(w + c, columns - c), x, x, x, x, s);
    }
    for (int k = 0; k < 4; k++) sums[k * plane_stride + r] = _mm512_reduce_add_epi32(s[k]);
  }
}

AVX512 static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) {
    __m512i s[4];
    for (int k = 0; k < 4; k++) s[k] = _mm512_setzero_si512();
    for (size_t m = 0; m < part; m += vector_bytes) {
      _mm_prefetch((const char *)(w + m + prefetch_distance), _MM_HINT_T0);
      const int8_t *x = q + m;
      add_codes(load_bytes(w + m, part - m), _mm512_loadu_si512(x), _mm512_loadu_si512(x + part),
                _mm512_loadu_si512(x + 2 * part), _mm512_loadu_si512(x + 3 * part), s);
    }
    sums[r] = _mm512_reduce_add_epi32(
        _mm512_add_epi32(_mm512_add_epi32(s[0], s[1]), _mm512_add_epi32(s[2], s[3])));
  }
}

// Four rows of codes with N tokens.
INLINE void code_tile(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, int N, size_t count,
                      int32_t *sums, size_t sum_stride) {
  __m512i s[16];
  for (int k = 0; k < 4 * N; k++) s[k] = _mm512_setzero_si512();
  for (size_t c = 0; c < count; c += vector_bytes) {
    __m512i x[4];
    for (int t = 0; t < N; t++) x[t] = _mm512_loadu_si512(q + t * q_stride + c);
    for (int r = 0; r < 4; r++) {
      __m512i code = _mm512_loadu_si512(codes + r * code_stride + c);
      for (int t = 0; t < N; t++) s[4 * t + r] = _mm512_dpbusd_epi32(s[4 * t + r], code, x[t]);
    }
  }
  for (int t = 0; t < N; t++) {
    for (int r = 0; r < 4; r++) sums[t * sum_stride + r] = _mm512_reduce_add_epi32(s[4 * t + r]);
  }
}

AVX512 static void code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride,
                                size_t tokens, size_t count, int32_t *sums, size_t sum_stride) {
  size_t t = 0;
  for (; t + 4 <= tokens; t += 4)
    code_tile(codes, code_stride, q + t * q_stride, q_stride, 4, count, sums + t * sum_stride, sum_stride);
  for (; t < tokens; t++)
    code_tile(codes, code_stride, q + t * q_stride, q_stride, 1, count, sums + t * sum_stride, sum_stride);
}

const trit_inference_table trit_inference_avx512 = {
    .name = "avx512-vnni",
    .quantize_row = trit_avx2_quantize_row,
    .joined_dot = joined_dot,
    .split_dot = split_dot,
    .expand_codes = trit_avx2_expand_codes,
    .code_product = code_product,
    .widen_trits = trit_avx2_widen_trits,
    .dot_bf16 = trit_avx2_dot_bf16,
    .dot_f16 = trit_avx2_dot_f16,
    .dot_f32 = trit_avx2_dot_f32,
    .weighted_sum = trit_avx2_weighted_sum,
};
#endif
