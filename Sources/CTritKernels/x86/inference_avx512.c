// Tritsmith: AVX-512 VNNI versions of the forward pass's ternary products.
//
// vpdpbusd adds four products of an unsigned and a signed byte to a 32-bit lane: no narrow accumulators, and masked
// loads in place of copied tails. The code of place k is not shifted down but multiplied as it stands, 4^k times as
// large, and the sums are divided: shifts would share their ports with the products. Nothing is prefetched here: rows
// follow each other, and the hardware then asks for the next lines itself, better than with hints in between.
#if defined(__x86_64__)
#include "../expanded.h"
#include "inference_float.h"

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define INLINE AVX512 static inline __attribute__((always_inline))

// Sums of place 3 hold 64 * 3 * 128 a product, four products a lane and step: row_block_bytes of a row stay below 2^31.
enum { wide_bytes = 64, row_block_bytes = 1 << 20 };

INLINE __m512i load_wide(const uint8_t *w, size_t n) {
  if (n >= wide_bytes) return _mm512_loadu_si512(w);
  return _mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, w);
}

INLINE __m512i place(__m512i w, int k) { return _mm512_and_si512(w, _mm512_set1_epi8((char)(3 << 2 * k))); }

// Sums of four accumulators, in order.
INLINE __m128i sum_four(__m512i a, __m512i b, __m512i c, __m512i d) {
  __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  __m256i t = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
}

INLINE __m128i joined_block(const uint8_t *w, size_t columns, const int8_t *q) {
  __m512i s[4];
  for (int k = 0; k < 4; k++) s[k] = _mm512_setzero_si512();
  for (size_t c = 0; c < columns; c += wide_bytes) {
    __m512i x = _mm512_loadu_si512(q + c), v = load_wide(w + c, columns - c);
    for (int k = 0; k < 3; k++) s[k] = _mm512_dpbusd_epi32(s[k], place(v, k), x);
    // The whole byte is the sum of its four places: what the other three have is taken off at the end.
    s[3] = _mm512_dpbusd_epi32(s[3], v, x);
  }
  s[3] = _mm512_sub_epi32(s[3], _mm512_add_epi32(_mm512_add_epi32(s[0], s[1]), s[2]));
  return sum_four(s[0], _mm512_srai_epi32(s[1], 2), _mm512_srai_epi32(s[2], 4), _mm512_srai_epi32(s[3], 6));
}

AVX512 static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                              size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    __m128i total = _mm_setzero_si128();
    for (size_t c = 0; c < columns; c += row_block_bytes) {
      size_t n = columns - c < row_block_bytes ? columns - c : row_block_bytes;
      total = _mm_add_epi32(total, joined_block(w + c, n, q + c));
    }
    sums[r] = _mm_cvtsi128_si32(total);
    sums[plane_stride + r] = _mm_extract_epi32(total, 1);
    sums[2 * plane_stride + r] = _mm_extract_epi32(total, 2);
    sums[3 * plane_stride + r] = _mm_extract_epi32(total, 3);
  }
}

INLINE int32_t split_block(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  __m512i s[4];
  for (int k = 0; k < 4; k++) s[k] = _mm512_setzero_si512();
  for (size_t m = 0; m < count; m += wide_bytes) {
    __m512i v = load_wide(w + m, count - m);
    for (int k = 0; k < 4; k++)
      s[k] = _mm512_dpbusd_epi32(s[k], place(v, k), _mm512_loadu_si512(q + k * part + m));
  }
  for (int k = 1; k < 4; k++) s[0] = _mm512_add_epi32(s[0], _mm512_srai_epi32(s[k], 2 * k));
  return _mm512_reduce_add_epi32(s[0]);
}

AVX512 static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) {
    uint32_t total = 0;
    for (size_t m = 0; m < part; m += row_block_bytes)
      total += (uint32_t)split_block(w + m, part - m < row_block_bytes ? part - m : row_block_bytes, q + m, part);
    sums[r] = (int32_t)total;
  }
}

// Four rows of codes with N tokens.
INLINE void code_tile(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, int N, size_t count,
                      int32_t *sums, size_t sum_stride) {
  __m512i s[16];
  for (int k = 0; k < 4 * N; k++) s[k] = _mm512_setzero_si512();
  for (size_t c = 0; c < count; c += wide_bytes) {
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

AVX512 static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                  size_t q_stride, size_t tokens, int32_t *sums) {
  trit_expanded_product(w, rows, width, is_split, q, q_stride, tokens, sums, trit_avx2_expand_codes, code_product);
}

AVX512 static void weighted_sum(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count,
                                float *out) {
  enum { N = 8, columns = 16 * N };
  size_t i = 0;
  for (; i + columns <= count; i += columns) {
    __m512 s[N];
    for (int k = 0; k < N; k++) s[k] = _mm512_setzero_ps();
    const float *p = v + i;
    for (size_t r = 0; r < rows; r++, p += v_stride) {
      __m512 f = _mm512_set1_ps(weight[r]);
      for (int k = 0; k < N; k++) s[k] = _mm512_add_ps(s[k], _mm512_mul_ps(f, _mm512_loadu_ps(p + 16 * k)));
    }
    for (int k = 0; k < N; k++) _mm512_storeu_ps(out + i + 16 * k, s[k]);
  }
  if (i < count) trit_avx2_weighted_sum(weight, v + i, v_stride, rows, count - i, out + i);
}

#define TARGET __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")))
#define DPBUSD _mm256_dpbusd_epi32
// The hardware asks for the next lines itself.
enum { asks_ahead = 0 };
#include "grouped_tiles.h"
#include "vnni.h"

const trit_inference_table trit_inference_avx512 = {
    .name = "avx512-vnni",
    .quantize_row = trit_avx2_quantize_row,
    .joined_dot = joined_dot,
    .split_dot = split_dot,
    .packed_product = packed_product,
    .grouped_dot = grouped_dot,
    .widen_trits = trit_avx2_widen_trits,
    .dot_bf16 = trit_avx2_dot_bf16,
    .dot_f16 = trit_avx2_dot_f16,
    .dot_f32 = trit_avx2_dot_f32,
    .weighted_sum = weighted_sum,
    .exponentials = trit_avx2_exponentials,
};
#endif
