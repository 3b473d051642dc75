// Tritsmith: NEON versions of the forward pass's float operations, for every arm64 table.
//
// Products and sums are rounded apart, never fused. Lanes 0 to 3 and 4 to 7 of the definition are two registers.
#include "neon.h"

#if TRIT_ARM64
#pragma STDC FP_CONTRACT OFF

#define TARGET
#include "../exponentials.h"

typedef struct {
  float32x4_t low, high;
} eight;

TRIT_INLINE eight zero_eight(void) { return (eight){vdupq_n_f32(0), vdupq_n_f32(0)}; }

TRIT_INLINE eight load_eight(const float *x) { return (eight){vld1q_f32(x), vld1q_f32(x + 4)}; }

// Eight values from `n` of them, zeros after.
TRIT_INLINE eight load_part(const float *x, size_t n) {
  float buffer[8] = {0};
  memcpy(buffer, x, n * sizeof(float));
  return load_eight(buffer);
}

TRIT_INLINE eight add_products(eight sums, eight a, eight b) {
  return (eight){vaddq_f32(sums.low, vmulq_f32(a.low, b.low)), vaddq_f32(sums.high, vmulq_f32(a.high, b.high))};
}

// ((0+1)+(2+3))+((4+5)+(6+7))
TRIT_INLINE float joined(eight v) {
  float32x4_t pairs = vpaddq_f32(v.low, v.high);
  float32x4_t halves = vpaddq_f32(pairs, pairs);
  return vgetq_lane_f32(halves, 0) + vgetq_lane_f32(halves, 1);
}

// Values as int8 after scaling; the conversion rounds half to even, and |x * s| is at most 127 and a little.
TRIT_INLINE int32x4_t rounded(float32x4_t x, float32x4_t scale) {
  int32x4_t r = vcvtnq_s32_f32(vmulq_f32(x, scale));
  return vminq_s32(vmaxq_s32(r, vdupq_n_s32(-128)), vdupq_n_s32(127));
}

void trit_neon_quantize_row(const float *x, size_t count, int8_t *q, float *scale, int32_t *sum) {
  const uint32x4_t magnitude = vdupq_n_u32(0x7FFFFFFF);
  // Patterns without sign order as numbers do, with NaN above infinity: a maximum that never loses a NaN.
  uint32x4_t top = vdupq_n_u32(0);
  for (size_t i = 0; i < count; i += 8) {
    eight v = count - i < 8 ? load_part(x + i, count - i) : load_eight(x + i);
    top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(v.low), magnitude));
    top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(v.high), magnitude));
  }
  uint32_t bits = vmaxvq_u32(top);
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
  const float32x4_t factor = vdupq_n_f32(s);
  int32x4_t total = vdupq_n_s32(0);
  for (size_t i = 0; i < count; i += 8) {
    size_t n = count - i < 8 ? count - i : 8;
    eight v = n < 8 ? load_part(x + i, n) : load_eight(x + i);
    int32x4_t low = rounded(v.low, factor), high = rounded(v.high, factor);
    total = vaddq_s32(total, vaddq_s32(low, high));
    int8_t bytes[8];
    vst1_s8(bytes, vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
    memcpy(q + i, bytes, n);
  }
  *sum = vaddvq_s32(total);
}

void trit_neon_expand_codes(const uint8_t *w, size_t count, unsigned plane, uint8_t *codes) {
  const uint8x16_t mask = vdupq_n_u8(3);
  const int8x16_t shift = vdupq_n_s8((int8_t)(-2 * (int)plane));
  size_t i = 0;
  for (; i + 16 <= count; i += 16) vst1q_u8(codes + i, vandq_u8(vshlq_u8(vld1q_u8(w + i), shift), mask));
  for (; i < count; i++) codes[i] = w[i] >> (2 * plane) & 3;
}

void trit_neon_widen_trits(const uint8_t *w, size_t count, unsigned plane, float value, float *out) {
  const uint8x8_t mask = vdup_n_u8(3);
  const int8x8_t shift = vdup_n_s8((int8_t)(-2 * (int)plane)), one = vdup_n_s8(1);
  const float32x4_t factor = vdupq_n_f32(value);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    int8x8_t trits = vsub_s8(vreinterpret_s8_u8(vand_u8(vshl_u8(vld1_u8(w + i), shift), mask)), one);
    int16x8_t wide = vmovl_s8(trits);
    // 0 becomes a zero with the sign of `value`, as the product of the definition does.
    vst1q_f32(out + i, vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), factor));
    vst1q_f32(out + i + 4, vmulq_f32(vcvtq_f32_s32(vmovl_high_s16(wide)), factor));
  }
  for (; i < count; i++) out[i] = (float)((int)(w[i] >> (2 * plane) & 3) - 1) * value;
}

typedef enum { KIND_BF16, KIND_F16, KIND_F32 } weight_kind;

// Weights `index` to `index` + 8 at an address of any alignment, widened exactly.
TRIT_INLINE eight load_weights(const char *w, size_t index, weight_kind kind) {
  if (kind == KIND_F32) {
    const uint8_t *p = (const uint8_t *)w + 4 * index;
    return (eight){vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16))};
  }
  uint16x8_t v = trit_neon_patterns(w, index);
  if (kind == KIND_F16) {
    float16x8_t half = vreinterpretq_f16_u16(v);
    return (eight){vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half)};
  }
  return (eight){vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(v), 16)),
                 vreinterpretq_f32_u32(vshll_high_n_u16(v, 16))};
}

TRIT_INLINE eight load_last_weights(const char *w, size_t index, size_t n, weight_kind kind) {
  size_t bytes = kind == KIND_F32 ? 4 : 2;
  char buffer[32] = {0};
  memcpy(buffer, w + bytes * index, bytes * n);
  return load_weights(buffer, 0, kind);
}

// Dots of R rows with N tokens; the accumulators stay in registers for R * N <= 8.
TRIT_INLINE void dot_tile(const char *w, size_t row_bytes, int R, const float *x, size_t x_stride, int N, size_t count,
                          float *y, size_t y_stride, weight_kind kind) {
  eight lanes[8];
  for (int k = 0; k < R * N; k++) lanes[k] = zero_eight();
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    eight input[2];
    for (int t = 0; t < N; t++) input[t] = load_eight(x + t * x_stride + i);
    for (int r = 0; r < R; r++) {
      eight weight = load_weights(w + r * row_bytes, i, kind);
      for (int t = 0; t < N; t++) lanes[r * N + t] = add_products(lanes[r * N + t], weight, input[t]);
    }
  }
  if (i < count) {
    // Zeros add nothing: a lane is never -0, so the bits stay what the definition gives.
    for (int t = 0; t < N; t++) {
      eight input = load_part(x + t * x_stride + i, count - i);
      for (int r = 0; r < R; r++) {
        eight weight = load_last_weights(w + r * row_bytes, i, count - i, kind);
        lanes[r * N + t] = add_products(lanes[r * N + t], weight, input);
      }
    }
  }
  for (int r = 0; r < R; r++) {
    for (int t = 0; t < N; t++) y[t * y_stride + r] = joined(lanes[r * N + t]);
  }
}

TRIT_INLINE void dot_all(const char *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                         size_t count, float *y, size_t y_stride, weight_kind kind) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const char *p = w + r * row_bytes;
    size_t t = 0;
    for (; t + 2 <= tokens; t += 2)
      dot_tile(p, row_bytes, 4, x + t * x_stride, x_stride, 2, count, y + t * y_stride + r, y_stride, kind);
    if (t < tokens) dot_tile(p, row_bytes, 4, x + t * x_stride, x_stride, 1, count, y + t * y_stride + r, y_stride, kind);
  }
  for (; r < rows; r++) {
    for (size_t t = 0; t < tokens; t++)
      dot_tile(w + r * row_bytes, row_bytes, 1, x + t * x_stride, x_stride, 1, count, y + t * y_stride + r, y_stride,
               kind);
  }
}

void trit_neon_dot_bf16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                        size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_BF16);
}

void trit_neon_dot_f16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_F16);
}

void trit_neon_dot_f32(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride) {
  dot_all(w, row_bytes, rows, x, x_stride, tokens, count, y, y_stride, KIND_F32);
}

// Sums of `4 * N` columns; the accumulators stay in registers for N <= 16.
TRIT_INLINE void sum_columns(const float *weight, const float *v, size_t v_stride, size_t rows, int N, float *out) {
  float32x4_t s[16];
  for (int k = 0; k < N; k++) s[k] = vdupq_n_f32(0);
  for (size_t r = 0; r < rows; r++, v += v_stride) {
    float32x4_t f = vdupq_n_f32(weight[r]);
    for (int k = 0; k < N; k++) s[k] = vaddq_f32(s[k], vmulq_f32(f, vld1q_f32(v + 4 * k)));
  }
  for (int k = 0; k < N; k++) vst1q_f32(out + 4 * k, s[k]);
}

void trit_neon_exponentials(float *x, size_t count) { exponentials(x, count); }

void trit_neon_weighted_sum(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count,
                            float *out) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) sum_columns(weight, v + i, v_stride, rows, 16, out + i);
  for (; i + 4 <= count; i += 4) sum_columns(weight, v + i, v_stride, rows, 1, out + i);
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
