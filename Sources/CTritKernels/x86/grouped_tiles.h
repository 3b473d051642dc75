// Tritsmith: products with scales for groups of columns, in panels of sixteen rows as they lie in memory.
//
// The lanes of the definition are vectors of eight rows in memory: every group adds to one of them. Few tokens take the
// codes of a panel as they are; for many they are decoded once.
#ifndef TRIT_GROUPED_TILES_H
#define TRIT_GROUPED_TILES_H
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

// From few_tokens on it pays to decode a panel once.
enum { block_bytes = 512, block_columns = 128, block_steps = 8, place_columns = 32, few_tokens = 5 };

// The scales of eight rows.
TILE __m256 load_scales(const void *scales, size_t index, int is_half) {
  if (!is_half) return _mm256_loadu_ps((const float *)scales + index);
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)scales + index)));
}

TILE void add_group(__m256i sums, __m256i all, __m256 unit, __m256 scale, __m256 *lane) {
  __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, all)), unit);
  *lane = _mm256_add_ps(*lane, _mm256_mul_ps(product, scale));
}

// Joins the lanes of sixteen rows, and stores those of `rows` of them.
TILE void store_rows(const __m256 *lanes, size_t rows, float *y) {
  float all[TRIT_TILE_ROWS];
  float *out = rows < TRIT_TILE_ROWS ? all : y;
  for (size_t half = 0; half < 2; half++) {
    __m256 s[4];
    for (int i = 0; i < 4; i++) s[i] = _mm256_add_ps(lanes[4 * i + half], lanes[4 * i + 2 + half]);
    _mm256_storeu_ps(out + 8 * half, _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
  }
  if (out != y) memcpy(y, all, rows * sizeof *y);
}

// Sums of a block's groups: group c of the first eight rows at parts[2 c], of the last eight at parts[2 c + 1].
//
// Bytes are shifted once, not three times: places 1 and 3 are multiplied as they stand, four times as large, and divided
// at the end. Sixteen such products of a code of 2 reach -2^15, which 16 bits still hold.
TILE void block_sums(const uint8_t *w, const int8_t *q, int cuts, __m256i *parts) {
  const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12);
  const int third = cuts == 1 ? 0 : 2;
  __m256i s[2][4];
  for (int half = 0; half < 2; half++) {
    for (int k = 0; k < 4; k++) s[half][k] = _mm256_setzero_si256();
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < block_steps; i++) {
    __m256i x[4];
    ask_ahead(w + 64 * i);
    for (int k = 0; k < 4; k++) x[k] = four_columns(q + place_columns * k + 4 * i);
    for (int half = 0; half < 2; half++) {
      __m256i v = _mm256_loadu_si256((const __m256i *)(w + 64 * i + 32 * half)), h = _mm256_srli_epi16(v, 4);
      __m256i *sums = s[half];
      sums[0] = add_products(sums[0], _mm256_and_si256(v, low), x[0]);
      sums[1] = add_products(sums[1], _mm256_and_si256(v, high), x[1]);
      sums[third] = add_products(sums[third], _mm256_and_si256(h, low), x[2]);
      sums[third + 1] = add_products(sums[third + 1], _mm256_and_si256(h, high), x[3]);
    }
  }
  for (int half = 0; half < 2; half++) {
    for (int k = 0; k < (cuts == 1 ? 2 : 4); k += 2) {
      if (cuts < 4) {
        parts[k + half] = join_sums(s[half][k], s[half][k + 1]);
      } else {
        parts[2 * k + half] = whole_sums(s[half][k]);
        parts[2 * k + 2 + half] = join_sums(_mm256_setzero_si256(), s[half][k + 1]);
      }
    }
  }
}

// A panel with one token.
TILE void panel_with_token(const uint8_t *w, size_t rows, size_t blocks, int cuts, const void *scales, int is_half,
                           const int8_t *q, const int32_t *sums, const float *units, float *y) {
  __m256 lanes[16];
  for (int k = 0; k < 16; k++) lanes[k] = _mm256_setzero_ps();
  for (size_t b = 0; b < blocks; b++) {
    __m256i parts[8];
    block_sums(w + b * block_bytes, q + b * block_columns, cuts, parts);
    for (size_t c = 0; c < (size_t)cuts; c++) {
      const size_t group = b * (size_t)cuts + c;
      const __m256i all = _mm256_set1_epi32(sums[group]);
      const __m256 unit = _mm256_set1_ps(units[group]);
      __m256 *lane = lanes + group % 8 * 2;
      for (size_t half = 0; half < 2; half++)
        add_group(parts[2 * c + half], all, unit, load_scales(scales, group * TRIT_TILE_ROWS + 8 * half, is_half),
                  lane + half);
    }
  }
  store_rows(lanes, rows, y);
}

// 16 kB of codes, and for each token eight lanes of sixteen rows.
enum { panel_blocks = 8, panel_groups = 4 * panel_blocks, panel_tokens = 16 * tile_tokens, block_vectors = 64 };

typedef struct {
  __m256i codes[panel_blocks * block_vectors];
  __m256 scales[2 * panel_groups];
  __m256 lanes[panel_tokens][16];
} workspace;

// What a call has for all its panels.
typedef struct {
  size_t blocks, cuts;
  int is_half;
  const int8_t *q;
  size_t q_stride;
  const int32_t *sums;
  const float *units;
  size_t group_stride;
} grouped_input;

// Codes and scales of `count` blocks, block `first` the first.
TILE void fill_blocks(workspace *space, const uint8_t *w, const void *scales, const grouped_input *x, size_t first,
                      size_t count) {
  for (size_t b = 0; b < count; b++) {
    for (size_t i = 0; i < 2 * block_steps; i++)
      store_codes(_mm256_loadu_si256((const __m256i *)(w + (first + b) * block_bytes + 32 * i)),
                  space->codes + b * block_vectors + i, block_vectors / 4);
  }
  for (size_t k = 0; k < 2 * count * x->cuts; k++)
    space->scales[k] = load_scales(scales, first * x->cuts * TRIT_TILE_ROWS + 8 * k, x->is_half);
}

// Adds the groups of the panel, group `first` of a row the first, to the lanes of N tokens, t the first.
TILE void add_groups(workspace *space, const grouped_input *x, size_t first, size_t groups, size_t t, size_t place,
                     int N) {
  const size_t steps = place_columns / x->cuts;
  for (size_t g = 0; g < groups; g++) {
    const size_t group = first + g;
    __m256i s[2 * tile_tokens];
    tile_sums(space->codes + g * 2 * steps, x->q + t * x->q_stride + group * 4 * steps, x->q_stride, N, steps, s);
#pragma clang loop unroll(full)
    for (size_t k = 0; k < (size_t)N; k++) {
      const size_t index = (t + k) * x->group_stride + group;
      const __m256i all = _mm256_set1_epi32(x->sums[index]);
      const __m256 unit = _mm256_set1_ps(x->units[index]);
      __m256 *lane = space->lanes[place + k] + group % 8 * 2;
      for (size_t half = 0; half < 2; half++)
        add_group(s[2 * k + half], all, unit, space->scales[2 * g + half], lane + half);
    }
  }
}

// A panel with some tokens, panel_tokens at most, t the first.
TILE void panel_with_tokens(workspace *space, const uint8_t *w, size_t rows, const void *scales, const grouped_input *x,
                            size_t t, size_t tokens, float *y, size_t y_stride) {
  for (size_t k = 0; k < tokens; k++) {
    for (int lane = 0; lane < 16; lane++) space->lanes[k][lane] = _mm256_setzero_ps();
  }
  for (size_t b = 0; b < x->blocks; b += panel_blocks) {
    size_t count = x->blocks - b < panel_blocks ? x->blocks - b : panel_blocks, k = 0;
    fill_blocks(space, w, scales, x, b, count);
    for (; k + tile_tokens <= tokens; k += tile_tokens)
      add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, tile_tokens);
    for (; k + 2 <= tokens; k += 2) add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, 2);
    if (k < tokens) add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, 1);
  }
  for (size_t k = 0; k < tokens; k++) store_rows(space->lanes[k], rows, y + (t + k) * y_stride);
}

// The entry grouped_dot of a table.
TARGET static void grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                               int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                               size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  const size_t panel_scales = blocks * cuts * TRIT_TILE_ROWS * (is_half ? 2 : 4);
  const grouped_input x = {blocks, cuts, is_half, q, q_stride, sums, units, group_stride};
  for (size_t r = 0; r < rows; r += TRIT_TILE_ROWS, w += blocks * block_bytes) {
    const void *row_scales = (const char *)scales + r / TRIT_TILE_ROWS * panel_scales;
    const size_t n = rows - r < TRIT_TILE_ROWS ? rows - r : TRIT_TILE_ROWS;
    if (tokens < few_tokens) {
#define WITH(CUTS, HALF)                                                                                 \
  panel_with_token(w, n, blocks, CUTS, row_scales, HALF, q + t * q_stride, sums + t * group_stride,      \
                   units + t * group_stride, y + t * y_stride + r)
      for (size_t t = 0; t < tokens; t++) {
        if (cuts == 1) is_half ? WITH(1, 1) : WITH(1, 0);
        else if (cuts == 2) is_half ? WITH(2, 1) : WITH(2, 0);
        else is_half ? WITH(4, 1) : WITH(4, 0);
      }
#undef WITH
      continue;
    }
    workspace space;
    for (size_t t = 0; t < tokens; t += panel_tokens)
      panel_with_tokens(&space, w, n, row_scales, &x, t, tokens - t < panel_tokens ? tokens - t : panel_tokens, y + r,
                        y_stride);
  }
}

#endif
