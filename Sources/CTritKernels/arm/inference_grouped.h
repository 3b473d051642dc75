// Tritsmith: products with scales for groups of columns, for arm64 tables.
//
// The including file defines TARGET, and how a block becomes sums of its groups: `groups_of_block(w, q, cuts, parts)`
// puts vectors of four 32-bit partial sums of code * q to parts[0], ..., parts[cuts - 1]. Eight groups are scaled at
// once.
#ifndef TRIT_ARM_INFERENCE_GROUPED_H
#define TRIT_ARM_INFERENCE_GROUPED_H
#include "neon.h"

#if TRIT_ARM64
#pragma STDC FP_CONTRACT OFF

#define GROUPED TARGET TRIT_INLINE

enum { group_block_bytes = 32, block_columns = 128, most_tokens = 2, block_tokens = 16 };

GROUPED void groups_of_block(const uint8_t *w, const int8_t *q, int cuts, int32x4_t *parts);

// Sums of four vectors, in order.
GROUPED int32x4_t sum_quad(const int32x4_t *p) { return vpaddq_s32(vpaddq_s32(p[0], p[1]), vpaddq_s32(p[2], p[3])); }

typedef struct {
  float32x4_t low, high;
} group_eight;

typedef struct {
  int32x4_t low, high;
} group_sums;

// `n` numbers of four bytes, zeros after.
GROUPED group_sums load_words(const void *p, size_t n) {
  uint8_t buffer[32] = {0};
  const uint8_t *from = p;
  if (n < 8) {
    memcpy(buffer, p, 4 * n);
    from = buffer;
  }
  return (group_sums){vreinterpretq_s32_u8(vld1q_u8(from)), vreinterpretq_s32_u8(vld1q_u8(from + 16))};
}

GROUPED group_eight floats(group_sums words) {
  return (group_eight){vreinterpretq_f32_s32(words.low), vreinterpretq_f32_s32(words.high)};
}

GROUPED group_eight load_scales(const char *p, size_t n, int is_half) {
  if (!is_half) return floats(load_words(p, n));
  char buffer[16] = {0};
  if (n < 8) {
    memcpy(buffer, p, 2 * n);
    p = buffer;
  }
  float16x8_t half = vreinterpretq_f16_u16(trit_neon_patterns(p, 0));
  return (group_eight){vcvt_f32_f16(vget_low_f16(half)), vcvt_high_f32_f16(half)};
}

GROUPED float32x4_t scaled(int32x4_t sums, int32x4_t all, float32x4_t unit, float32x4_t scale) {
  return vmulq_f32(vmulq_f32(vcvtq_f32_s32(vsubq_s32(sums, all)), unit), scale);
}

// Adds eight groups of a row with N tokens to their lanes; `count` blocks are there, the groups of others are empty.
GROUPED void add_eight(const uint8_t *w, size_t count, int cuts, const char *scales, int is_half, const int8_t *q,
                       size_t q_stride, const int32_t *sums, const float *units, size_t group_stride, int N,
                       group_eight *lanes) {
  const size_t groups = count * (size_t)cuts;
  int32x4_t parts[most_tokens][8];
  for (int t = 0; t < N; t++) {
    for (size_t k = 0; k < count; k++)
      groups_of_block(w + k * group_block_bytes, q + (size_t)t * q_stride + k * block_columns, cuts,
                 parts[t] + k * (size_t)cuts);
    for (size_t g = groups; g < 8; g++) parts[t][g] = vdupq_n_s32(0);
  }
  group_eight scale = load_scales(scales, groups, is_half);
  for (int t = 0; t < N; t++) {
    group_sums all = load_words(sums + (size_t)t * group_stride, groups);
    group_eight unit = floats(load_words(units + (size_t)t * group_stride, groups));
    lanes[t].low = vaddq_f32(lanes[t].low, scaled(sum_quad(parts[t]), all.low, unit.low, scale.low));
    lanes[t].high = vaddq_f32(lanes[t].high, scaled(sum_quad(parts[t] + 4), all.high, unit.high, scale.high));
  }
}

// A row with N tokens. Empty groups add nothing: a lane is never -0.
GROUPED void grouped_row(const uint8_t *w, size_t blocks, int cuts, const char *scales, int is_half, const int8_t *q,
                         size_t q_stride, const int32_t *sums, const float *units, size_t group_stride, int N, float *y,
                         size_t y_stride) {
  const size_t step = 8 / (size_t)cuts, width = is_half ? 2 : 4;
  group_eight lanes[most_tokens];
  for (int t = 0; t < N; t++) lanes[t] = (group_eight){vdupq_n_f32(0), vdupq_n_f32(0)};
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
    float32x4_t pairs = vpaddq_f32(lanes[t].low, lanes[t].high);
    float32x4_t halves = vpaddq_f32(pairs, pairs);
    y[(size_t)t * y_stride] = vgetq_lane_f32(halves, 0) + vgetq_lane_f32(halves, 1);
  }
}

#include "../grouped_rows.h"

TARGET TRIT_INLINE void grouped_any(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                    int is_half, const int8_t *q, size_t q_stride, const int32_t *sums,
                                    const float *units, size_t group_stride, size_t tokens, float *y,
                                    size_t y_stride) {
#define WITH(CUTS, HALF)                                                                                             \
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
#endif
