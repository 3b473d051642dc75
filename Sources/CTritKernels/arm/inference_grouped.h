// Tritsmith: products with scales for groups of columns, in panels of sixteen rows as they lie in memory, for arm64
// tables.
//
// The including file defines TARGET, and how codes meet four activations: `add_columns(sums, codes, x)` adds four
// products of each of four rows, and `row_sums_of(sums)` gives the sum of each row; sums have room for a block.
#ifndef TRIT_ARM_INFERENCE_GROUPED_H
#define TRIT_ARM_INFERENCE_GROUPED_H
#include "neon.h"

#if TRIT_ARM64
#pragma STDC FP_CONTRACT OFF

#define GROUPED TARGET TRIT_INLINE

enum { group_block_bytes = 512, block_columns = 128, block_steps = 8, place_columns = 32, quads = TRIT_TILE_ROWS / 4 };

GROUPED column_sums add_columns(column_sums sums, int8x16_t codes, int8x16_t x);
GROUPED int32x4_t row_sums_of(column_sums sums);

// Four activations, four times.
GROUPED int8x16_t four_columns(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

GROUPED float32x4_t four_scales(const void *scales, size_t index, int is_half) {
  const uint8_t *p = (const uint8_t *)scales + (is_half ? 2 : 4) * index;
  if (!is_half) return vreinterpretq_f32_u8(vld1q_u8(p));
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

// Adds the groups of a block to the lanes of four rows; `scales` are those of its first group.
GROUPED void add_block(const uint8_t *w, int cuts, const void *scales, size_t first_scale, int is_half, const int8_t *q,
                       const int32_t *sums, const float *units, size_t first_group, float32x4_t lanes[8][quads],
                       size_t quad) {
  column_sums s[4] = {0};
  for (size_t i = 0; i < block_steps; i++) {
    uint8x16_t v = vld1q_u8(w + 64 * i + 16 * quad);
    for (int k = 0; k < 4; k++)
      s[k * cuts / 4] =
          add_columns(s[k * cuts / 4], trit_neon_place(v, k), four_columns(q + place_columns * k + 4 * i));
  }
  for (int c = 0; c < cuts; c++) {
    const size_t group = first_group + (size_t)c;
    float32x4_t sum = vcvtq_f32_s32(vsubq_s32(row_sums_of(s[c]), vdupq_n_s32(sums[group])));
    float32x4_t scale = four_scales(scales, first_scale + (size_t)c * TRIT_TILE_ROWS + 4 * quad, is_half);
    float32x4_t *lane = &lanes[group % 8][quad];
    *lane = vaddq_f32(*lane, vmulq_f32(vmulq_f32(sum, vdupq_n_f32(units[group])), scale));
  }
}

// A panel with one token; y gets `rows` of its rows.
GROUPED void panel_with_token(const uint8_t *w, size_t rows, size_t blocks, int cuts, const void *scales, int is_half,
                              const int8_t *q, const int32_t *sums, const float *units, float *y) {
  float32x4_t lanes[8][quads];
  for (int lane = 0; lane < 8; lane++) {
    for (int quad = 0; quad < quads; quad++) lanes[lane][quad] = vdupq_n_f32(0);
  }
  for (size_t b = 0; b < blocks; b++) {
    const size_t group = b * (size_t)cuts;
    for (size_t quad = 0; quad < quads; quad++)
      add_block(w + b * group_block_bytes, cuts, scales, group * TRIT_TILE_ROWS, is_half, q + b * block_columns, sums,
                units, group, lanes, quad);
  }
  float all[TRIT_TILE_ROWS];
  for (int quad = 0; quad < quads; quad++) {
    float32x4_t s[4];
    for (int k = 0; k < 4; k++) s[k] = vaddq_f32(lanes[2 * k][quad], lanes[2 * k + 1][quad]);
    vst1q_f32(all + 4 * quad, vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3])));
  }
  memcpy(y, all, rows * sizeof *y);
}

// The entry grouped_dot of a table. A panel stays in the first cache while tokens go by.
TARGET TRIT_INLINE void grouped_panels(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                       int is_half, const int8_t *q, size_t q_stride, const int32_t *sums,
                                       const float *units, size_t group_stride, size_t tokens, float *y,
                                       size_t y_stride) {
  const size_t panel_scales = blocks * cuts * TRIT_TILE_ROWS * (is_half ? 2 : 4);
  for (size_t r = 0; r < rows; r += TRIT_TILE_ROWS, w += blocks * group_block_bytes) {
    const void *row_scales = (const char *)scales + r / TRIT_TILE_ROWS * panel_scales;
    const size_t n = rows - r < TRIT_TILE_ROWS ? rows - r : TRIT_TILE_ROWS;
#define WITH(CUTS)                                                                                           \
  panel_with_token(w, n, blocks, CUTS, row_scales, is_half, q + t * q_stride, sums + t * group_stride,       \
                   units + t * group_stride, y + t * y_stride + r)
    for (size_t t = 0; t < tokens; t++) {
      if (cuts == 1) WITH(1);
      else if (cuts == 2) WITH(2);
      else WITH(4);
    }
#undef WITH
  }
}
#endif
#endif
