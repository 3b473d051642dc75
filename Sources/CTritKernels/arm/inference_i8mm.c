// Tritsmith: versions of the forward pass's ternary products for arm64 processors with FEAT_I8MM.
//
// usdot takes unsigned bytes: no code is shifted down, that of place k is 4^k times as large and the sums are divided.
// smmla multiplies two rows by two tokens, 32 products an instruction.
#include "inference_dotprod.h"

#if TRIT_ARM64
#define MM TRIT_I8MM

// Sums of whole bytes hold 255 * 128 a product, four products a lane and step: block_bytes of a row stay below 2^31.
enum { block_bytes = 1 << 18 };

MM TRIT_INLINE uint8x16_t place(uint8x16_t v, int k) { return vandq_u8(v, vdupq_n_u8((uint8_t)(3 << 2 * k))); }

MM TRIT_INLINE void joined_step(uint8x16_t v, const int8_t *q, int32x4_t s[4]) {
  int8x16_t x = vld1q_s8(q);
  for (int k = 0; k < 3; k++) s[k] = vusdotq_s32(s[k], place(v, k), x);
  // The whole byte is the sum of its four places: what the other three have is taken off at the end.
  s[3] = vusdotq_s32(s[3], v, x);
}

MM TRIT_INLINE int32x4_t joined_block(const uint8_t *w, size_t count, const int8_t *q) {
  int32x4_t s[4];
  for (int k = 0; k < 4; k++) s[k] = vdupq_n_s32(0);
  size_t c = 0;
  for (; c + trit_vector_bytes <= count; c += trit_vector_bytes) joined_step(vld1q_u8(w + c), q + c, s);
  if (c < count) joined_step(trit_neon_tail(w + c, count - c), q + c, s);
  s[3] = vsubq_s32(s[3], vaddq_s32(vaddq_s32(s[0], s[1]), s[2]));
  s[1] = vshrq_n_s32(s[1], 2);
  s[2] = vshrq_n_s32(s[2], 4);
  s[3] = vshrq_n_s32(s[3], 6);
  return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
}

MM static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                          size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    int32x4_t total = vdupq_n_s32(0);
    for (size_t c = 0; c < columns; c += block_bytes)
      total = vaddq_s32(total, joined_block(w + c, columns - c < block_bytes ? columns - c : block_bytes, q + c));
    int32_t four[4];
    vst1q_s32(four, total);
    for (int k = 0; k < 4; k++) sums[k * plane_stride + r] = four[k];
  }
}

MM TRIT_INLINE void split_step(uint8x16_t v, const int8_t *q, size_t part, int32x4_t s[4]) {
  for (int k = 0; k < 4; k++) s[k] = vusdotq_s32(s[k], place(v, k), vld1q_s8(q + k * part));
}

MM TRIT_INLINE int32_t split_block(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  int32x4_t s[4];
  for (int k = 0; k < 4; k++) s[k] = vdupq_n_s32(0);
  size_t m = 0;
  for (; m + trit_vector_bytes <= count; m += trit_vector_bytes) split_step(vld1q_u8(w + m), q + m, part, s);
  if (m < count) split_step(trit_neon_tail(w + m, count - m), q + m, part, s);
  s[0] = vsraq_n_s32(s[0], s[1], 2);
  s[2] = vsraq_n_s32(vshrq_n_s32(s[2], 4), s[3], 6);
  return vaddvq_s32(vaddq_s32(s[0], s[2]));
}

MM static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) {
    uint32_t total = 0;
    for (size_t m = 0; m < part; m += block_bytes)
      total += (uint32_t)split_block(w + m, part - m < block_bytes ? part - m : block_bytes, q + m, part);
    sums[r] = (int32_t)total;
  }
}

// 16 columns of two rows as two operands of smmla: columns 0..7 of both, then 8..15 of both.
typedef struct {
  int8x16_t low, high;
} row_pair;

MM TRIT_INLINE row_pair load_pair(const int8_t *a, const int8_t *b) {
  int64x2_t first = vreinterpretq_s64_s8(vld1q_s8(a)), second = vreinterpretq_s64_s8(vld1q_s8(b));
  return (row_pair){vreinterpretq_s8_s64(vzip1q_s64(first, second)), vreinterpretq_s8_s64(vzip2q_s64(first, second))};
}

// Four rows of codes with N pairs of tokens. An accumulator holds tokens 2t and 2t + 1 with rows 2r and 2r + 1.
MM TRIT_INLINE void code_tile(const int8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, int N,
                              size_t count, int32_t *sums, size_t sum_stride) {
  int32x4_t s[8];
  for (int k = 0; k < 2 * N; k++) s[k] = vdupq_n_s32(0);
  for (size_t c = 0; c < count; c += trit_vector_bytes) {
    row_pair w[2];
    for (int r = 0; r < 2; r++) w[r] = load_pair(codes + 2 * r * code_stride + c, codes + (2 * r + 1) * code_stride + c);
    for (int t = 0; t < N; t++) {
      row_pair x = load_pair(q + 2 * t * q_stride + c, q + (2 * t + 1) * q_stride + c);
      for (int r = 0; r < 2; r++) {
        s[2 * t + r] = vmmlaq_s32(s[2 * t + r], x.low, w[r].low);
        s[2 * t + r] = vmmlaq_s32(s[2 * t + r], x.high, w[r].high);
      }
    }
  }
  for (int t = 0; t < N; t++) {
    int64x2_t left = vreinterpretq_s64_s32(s[2 * t]), right = vreinterpretq_s64_s32(s[2 * t + 1]);
    vst1q_s32(sums + 2 * t * sum_stride, vreinterpretq_s32_s64(vzip1q_s64(left, right)));
    vst1q_s32(sums + (2 * t + 1) * sum_stride, vreinterpretq_s32_s64(vzip2q_s64(left, right)));
  }
}

MM static void code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, size_t tokens,
                            size_t count, int32_t *sums, size_t sum_stride) {
  // Codes are at most 3: the same numbers with and without a sign.
  const int8_t *w = (const int8_t *)codes;
  size_t t = 0;
  for (; t + 8 <= tokens; t += 8)
    code_tile(w, code_stride, q + t * q_stride, q_stride, 4, count, sums + t * sum_stride, sum_stride);
  for (; t + 2 <= tokens; t += 2)
    code_tile(w, code_stride, q + t * q_stride, q_stride, 1, count, sums + t * sum_stride, sum_stride);
  if (t < tokens)
    trit_dotprod_code_product(codes, code_stride, q + t * q_stride, q_stride, 1, count, sums + t * sum_stride, sum_stride);
}

MM static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                              size_t q_stride, size_t tokens, int32_t *sums) {
  trit_expanded_product(w, rows, width, is_split, q, q_stride, tokens, sums, trit_neon_expand_codes, code_product);
}

const trit_inference_table trit_inference_i8mm = {
    .name = "neon-i8mm",
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
