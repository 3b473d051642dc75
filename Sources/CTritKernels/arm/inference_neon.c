// Tritsmith: NEON versions of the forward pass's ternary products, for every arm64 processor.
//
// A code 0..3 times a signed byte, two products a 16-bit lane and step: at most 768 in magnitude, so 32 steps are added
// before the lanes are widened to 32 bits.
#include "neon.h"

#if TRIT_ARM64
enum { narrow_steps = 32 };

TRIT_INLINE int16x8_t add_products(int16x8_t sums, int8x16_t codes, int8x16_t x) {
  return vmlal_high_s8(vmlal_s8(sums, vget_low_s8(codes), vget_low_s8(x)), codes, x);
}

// Sums of the four places of a row. Place k meets q[k * part + m].
TRIT_INLINE int32x4_t row_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  int32x4_t total[4];
  for (int k = 0; k < 4; k++) total[k] = vdupq_n_s32(0);
  for (size_t m = 0; m < count;) {
    int16x8_t s[4];
    for (int k = 0; k < 4; k++) s[k] = vdupq_n_s16(0);
    size_t end = count - m < narrow_steps * trit_vector_bytes ? count : m + narrow_steps * trit_vector_bytes;
    for (; m + trit_vector_bytes <= end; m += trit_vector_bytes) {
      uint8x16_t v = vld1q_u8(w + m);
      for (int k = 0; k < 4; k++) s[k] = add_products(s[k], trit_neon_place(v, k), vld1q_s8(q + k * part + m));
    }
    if (m < end) {
      uint8x16_t v = trit_neon_tail(w + m, end - m);
      for (int k = 0; k < 4; k++) s[k] = add_products(s[k], trit_neon_place(v, k), vld1q_s8(q + k * part + m));
      m = end;
    }
    for (int k = 0; k < 4; k++) total[k] = vpadalq_s16(total[k], s[k]);
  }
  return vpaddq_s32(vpaddq_s32(total[0], total[1]), vpaddq_s32(total[2], total[3]));
}

static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                       size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    int32_t four[4];
    vst1q_s32(four, row_sums(w, columns, q, 0));
    for (int k = 0; k < 4; k++) sums[k * plane_stride + r] = four[k];
  }
}

static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) sums[r] = vaddvq_s32(row_sums(w, part, q, part));
}

// Four rows of codes with N tokens: 4 N accumulators of 16 bits, and as many of 32.
TRIT_INLINE void code_tile(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, int N,
                           size_t count, int32_t *sums, size_t sum_stride) {
  int32x4_t total[8];
  for (int k = 0; k < 4 * N; k++) total[k] = vdupq_n_s32(0);
  for (size_t c = 0; c < count;) {
    int16x8_t s[8];
    for (int k = 0; k < 4 * N; k++) s[k] = vdupq_n_s16(0);
    size_t end = count - c < narrow_steps * trit_vector_bytes ? count : c + narrow_steps * trit_vector_bytes;
    for (; c < end; c += trit_vector_bytes) {
      int8x16_t x[2];
      for (int t = 0; t < N; t++) x[t] = vld1q_s8(q + t * q_stride + c);
      for (int r = 0; r < 4; r++) {
        int8x16_t code = vreinterpretq_s8_u8(vld1q_u8(codes + r * code_stride + c));
        for (int t = 0; t < N; t++) s[4 * t + r] = add_products(s[4 * t + r], code, x[t]);
      }
    }
    for (int k = 0; k < 4 * N; k++) total[k] = vpadalq_s16(total[k], s[k]);
  }
  for (int t = 0; t < N; t++) {
    const int32x4_t *four = total + 4 * t;
    vst1q_s32(sums + t * sum_stride, vpaddq_s32(vpaddq_s32(four[0], four[1]), vpaddq_s32(four[2], four[3])));
  }
}

static void code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, size_t tokens,
                         size_t count, int32_t *sums, size_t sum_stride) {
  size_t t = 0;
  for (; t + 2 <= tokens; t += 2)
    code_tile(codes, code_stride, q + t * q_stride, q_stride, 2, count, sums + t * sum_stride, sum_stride);
  if (t < tokens) code_tile(codes, code_stride, q + t * q_stride, q_stride, 1, count, sums + t * sum_stride, sum_stride);
}

static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                           size_t q_stride, size_t tokens, int32_t *sums) {
  trit_expanded_product(w, rows, width, is_split, q, q_stride, tokens, sums, trit_neon_expand_codes, code_product);
}

#define TARGET
// Two rows each; at most 32 products a 16-bit lane: 8192 in magnitude.
typedef struct {
  int16x8_t low, high;
} column_sums;
#include "inference_grouped.h"

GROUPED column_sums add_columns(column_sums sums, int8x16_t codes, int8x16_t x) {
  return (column_sums){vmlal_s8(sums.low, vget_low_s8(codes), vget_low_s8(x)), vmlal_high_s8(sums.high, codes, x)};
}

GROUPED int32x4_t row_sums_of(column_sums sums) { return vpaddq_s32(vpaddlq_s16(sums.low), vpaddlq_s16(sums.high)); }

static void grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales, int is_half,
                        const int8_t *q, size_t q_stride, const int32_t *sums, const float *units, size_t group_stride,
                        size_t tokens, float *y, size_t y_stride) {
  grouped_panels(w, rows, blocks, cuts, scales, is_half, q, q_stride, sums, units, group_stride, tokens, y, y_stride);
}

const trit_inference_table trit_inference_neon = {
    .name = "neon",
    .quantize_row = trit_neon_quantize_row,
    .joined_dot = joined_dot,
    .split_dot = split_dot,
    .packed_product = packed_product,
    .grouped_dot = grouped_dot,
    .widen_trits = trit_neon_widen_trits,
    .dot_bf16 = trit_neon_dot_bf16,
    .dot_f16 = trit_neon_dot_f16,
    .dot_f32 = trit_neon_dot_f32,
    .weighted_sum = trit_neon_weighted_sum,
    .exponentials = trit_neon_exponentials,
};
#endif
