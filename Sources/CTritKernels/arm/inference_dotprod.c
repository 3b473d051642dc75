// Tritsmith: versions of the forward pass's ternary products for arm64 processors with FEAT_DotProd.
//
// sdot adds four products of signed bytes to a 32-bit lane. The codes of places 1 and 2 are not shifted down but
// multiplied as they stand, 4 and 16 times as large, and the sums divided; those of place 3 would reach the sign.
#include "inference_dotprod.h"

#if TRIT_ARM64
#define DOT TRIT_DOTPROD

// Sums of place 2 hold 48 * 128 a product, four products a lane and step: block_bytes of a row stay below 2^31.
enum { block_bytes = 1 << 20 };

DOT TRIT_INLINE int8x16_t place(uint8x16_t v, int k) {
  return vreinterpretq_s8_u8(k == 3 ? vshrq_n_u8(v, 6) : vandq_u8(v, vdupq_n_u8((uint8_t)(3 << 2 * k))));
}

DOT TRIT_INLINE void add_step(uint8x16_t v, const int8_t *q, size_t part, int32x4_t s[4]) {
  for (int k = 0; k < 4; k++) s[k] = vdotq_s32(s[k], place(v, k), vld1q_s8(q + k * part));
}

// Sums of the four places of a row's block. Place k meets q[k * part + m].
DOT TRIT_INLINE int32x4_t block_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  int32x4_t s[4];
  for (int k = 0; k < 4; k++) s[k] = vdupq_n_s32(0);
  size_t m = 0;
  for (; m + trit_vector_bytes <= count; m += trit_vector_bytes) add_step(vld1q_u8(w + m), q + m, part, s);
  if (m < count) add_step(trit_neon_tail(w + m, count - m), q + m, part, s);
  // Every lane is a multiple of what it is divided by.
  s[1] = vshrq_n_s32(s[1], 2);
  s[2] = vshrq_n_s32(s[2], 4);
  return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
}

DOT TRIT_INLINE int32x4_t row_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  int32x4_t sums = vdupq_n_s32(0);
  for (size_t m = 0; m < count; m += block_bytes)
    sums = vaddq_s32(sums, block_sums(w + m, count - m < block_bytes ? count - m : block_bytes, q + m, part));
  return sums;
}

DOT static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                           size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    int32_t four[4];
    vst1q_s32(four, row_sums(w, columns, q, 0));
    for (int k = 0; k < 4; k++) sums[k * plane_stride + r] = four[k];
  }
}

DOT static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) sums[r] = vaddvq_s32(row_sums(w, part, q, part));
}

// Four rows of codes with N tokens.
DOT TRIT_INLINE void code_tile(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, int N,
                               size_t count, int32_t *sums, size_t sum_stride) {
  int32x4_t s[16];
  for (int k = 0; k < 4 * N; k++) s[k] = vdupq_n_s32(0);
  for (size_t c = 0; c < count; c += trit_vector_bytes) {
    int8x16_t x[4];
    for (int t = 0; t < N; t++) x[t] = vld1q_s8(q + t * q_stride + c);
    for (int r = 0; r < 4; r++) {
      int8x16_t code = vreinterpretq_s8_u8(vld1q_u8(codes + r * code_stride + c));
      for (int t = 0; t < N; t++) s[4 * t + r] = vdotq_s32(s[4 * t + r], code, x[t]);
    }
  }
  for (int t = 0; t < N; t++) {
    const int32x4_t *four = s + 4 * t;
    vst1q_s32(sums + t * sum_stride, vpaddq_s32(vpaddq_s32(four[0], four[1]), vpaddq_s32(four[2], four[3])));
  }
}

DOT void trit_dotprod_code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride,
                                   size_t tokens, size_t count, int32_t *sums, size_t sum_stride) {
  size_t t = 0;
  for (; t + 4 <= tokens; t += 4)
    code_tile(codes, code_stride, q + t * q_stride, q_stride, 4, count, sums + t * sum_stride, sum_stride);
  for (; t < tokens; t++)
    code_tile(codes, code_stride, q + t * q_stride, q_stride, 1, count, sums + t * sum_stride, sum_stride);
}

DOT static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                               size_t q_stride, size_t tokens, int32_t *sums) {
  trit_expanded_product(w, rows, width, is_split, q, q_stride, tokens, sums, trit_neon_expand_codes,
                        trit_dotprod_code_product);
}

#define TARGET DOT
typedef int32x4_t column_sums;
#include "inference_grouped.h"

GROUPED column_sums add_columns(column_sums sums, int8x16_t codes, int8x16_t x) { return vdotq_s32(sums, codes, x); }

GROUPED int32x4_t row_sums_of(column_sums sums) { return sums; }

DOT void trit_dotprod_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                  int is_half, const int8_t *q, size_t q_stride, const int32_t *sums,
                                  const float *units, size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  grouped_panels(w, rows, blocks, cuts, scales, is_half, q, q_stride, sums, units, group_stride, tokens, y, y_stride);
}

const trit_inference_table trit_inference_dotprod = {
    .name = "neon-dotprod",
    .quantize_row = trit_neon_quantize_row,
    .joined_dot = joined_dot,
    .split_dot = split_dot,
    .packed_product = packed_product,
    .grouped_dot = trit_dotprod_grouped_dot,
    .widen_trits = trit_neon_widen_trits,
    .dot_bf16 = trit_neon_dot_bf16,
    .dot_f16 = trit_neon_dot_f16,
    .dot_f32 = trit_neon_dot_f32,
    .weighted_sum = trit_neon_weighted_sum,
    .exponentials = trit_neon_exponentials,
};
#endif
