// Tritsmith: AVX2 products with scales for groups of columns.
//
// Few tokens take the bytes of a row as they are (inference_grouped.h). For many, the codes of sixteen rows become a
// panel once, and the lanes of the definition are vectors of sixteen rows in memory: every group adds to one of them.
#if defined(__x86_64__)
#include "avx2.h"

#define TARGET AVX2
#include "inference_grouped.h"

// Places 1 and 3 are four times as large and divided in 16 bits: two of them stay below 2^13.
GROUPED void block_sums(__m256i v, const int8_t *q, int cuts, __m256i *parts) {
  const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12), ones = _mm256_set1_epi16(1);
  __m256i h = _mm256_srli_epi16(v, 4);
  __m256i s0 = _mm256_maddubs_epi16(_mm256_and_si256(v, low), load_q(q));
  __m256i s1 = _mm256_maddubs_epi16(_mm256_and_si256(v, high), load_q(q + 32));
  __m256i s2 = _mm256_maddubs_epi16(_mm256_and_si256(h, low), load_q(q + 64));
  __m256i s3 = _mm256_maddubs_epi16(_mm256_and_si256(h, high), load_q(q + 96));
  if (cuts == 1) {
    __m256i s = _mm256_add_epi16(_mm256_add_epi16(s0, s2), _mm256_srai_epi16(_mm256_add_epi16(s1, s3), 2));
    parts[0] = _mm256_madd_epi16(s, ones);
  } else if (cuts == 2) {
    parts[0] = _mm256_madd_epi16(_mm256_add_epi16(s0, _mm256_srai_epi16(s1, 2)), ones);
    parts[1] = _mm256_madd_epi16(_mm256_add_epi16(s2, _mm256_srai_epi16(s3, 2)), ones);
  } else {
    parts[0] = _mm256_madd_epi16(s0, ones);
    parts[1] = _mm256_madd_epi16(_mm256_srai_epi16(s1, 2), ones);
    parts[2] = _mm256_madd_epi16(s2, ones);
    parts[3] = _mm256_madd_epi16(_mm256_srai_epi16(s3, 2), ones);
  }
}

// 16 kB of codes, and for each token eight lanes of sixteen rows.
enum { panel_blocks = 8, panel_groups = 4 * panel_blocks, panel_tokens = 16 * tile_tokens, block_vectors = 64 };

typedef struct {
  __m256i codes[panel_blocks * block_vectors];
  __m256 scales[2 * panel_groups];
  __m256 lanes[panel_tokens][16];
} workspace;

// What a call has for all its tiles.
typedef struct {
  size_t blocks, cuts;
  const int8_t *q;
  size_t q_stride;
  const int32_t *sums;
  const float *units;
  size_t group_stride;
} grouped_input;

// Codes and scales of `count` blocks of sixteen rows, block `first` the first.
INLINE void fill_blocks(workspace *space, const uint8_t *w, size_t blocks, size_t first, size_t count, size_t cuts,
                        const char *scales, int is_half) {
  const size_t width = is_half ? 2 : 4, groups = count * cuts;
  for (size_t b = 0; b < count; b++)
    fill_panel(w + (first + b) * group_block_bytes, blocks * group_block_bytes, TRIT_TILE_ROWS, group_block_bytes,
               space->codes + b * block_vectors, block_vectors / 4);
  for (size_t r = 0; r < TRIT_TILE_ROWS; r++) {
    const char *row = scales + (r * blocks + first) * cuts * width;
    for (size_t g = 0; g < groups; g += 8) {
      size_t n = groups - g < 8 ? groups - g : 8;
      float eight[8];
      _mm256_storeu_ps(eight, load_scales(row + g * width, n, is_half));
      for (size_t i = 0; i < n; i++) ((float *)space->scales)[(g + i) * TRIT_TILE_ROWS + r] = eight[i];
    }
  }
}

// Adds the groups of the panel, group `first` of a row the first, to the lanes of N tokens, t the first.
INLINE void add_groups(workspace *space, const grouped_input *x, size_t first, size_t groups, size_t t, size_t place,
                       int N) {
  const size_t steps = 32 / x->cuts;
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
      for (size_t half = 0; half < 2; half++) {
        __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(s[2 * k + half], all)), unit);
        lane[half] = _mm256_add_ps(lane[half], _mm256_mul_ps(product, space->scales[2 * g + half]));
      }
    }
  }
}

// Sixteen rows with some tokens, panel_tokens at most, t the first.
INLINE void grouped_tiles(workspace *space, const uint8_t *w, const char *scales, int is_half, const grouped_input *x,
                          size_t t, size_t tokens, float *y, size_t y_stride) {
  for (size_t k = 0; k < tokens; k++) {
    for (int lane = 0; lane < 16; lane++) space->lanes[k][lane] = _mm256_setzero_ps();
  }
  for (size_t b = 0; b < x->blocks; b += panel_blocks) {
    size_t count = x->blocks - b < panel_blocks ? x->blocks - b : panel_blocks, k = 0;
    fill_blocks(space, w, x->blocks, b, count, x->cuts, scales, is_half);
    for (; k + tile_tokens <= tokens; k += tile_tokens)
      add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, tile_tokens);
    for (; k + 2 <= tokens; k += 2) add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, 2);
    if (k < tokens) add_groups(space, x, b * x->cuts, count * x->cuts, t + k, k, 1);
  }
  for (size_t k = 0; k < tokens; k++) {
    for (size_t half = 0; half < 2; half++) {
      __m256 s[4];
      const __m256 *lanes = space->lanes[k] + half;
      for (int i = 0; i < 4; i++) s[i] = _mm256_add_ps(lanes[4 * i], lanes[4 * i + 2]);
      __m256 sum = _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]));
      _mm256_storeu_ps(y + (t + k) * y_stride + 8 * half, sum);
    }
  }
}

AVX2 void trit_avx2_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                                size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  const size_t scale_bytes = blocks * cuts * (is_half ? 2 : 4);
  const grouped_input x = {blocks, cuts, q, q_stride, sums, units, group_stride};
  const char *row_scales = scales;
  size_t r = 0;
  // Panels pay from about six tokens on.
  for (; tokens >= tile_tokens && r + TRIT_TILE_ROWS <= rows; r += TRIT_TILE_ROWS) {
    workspace space;
    for (size_t t = 0; t < tokens; t += panel_tokens)
      grouped_tiles(&space, w + r * blocks * group_block_bytes, row_scales + r * scale_bytes, is_half, &x, t,
                    tokens - t < panel_tokens ? tokens - t : panel_tokens, y + r, y_stride);
  }
  grouped_dot(w + r * blocks * group_block_bytes, rows - r, blocks, cuts, row_scales + r * scale_bytes, is_half, q,
              q_stride, sums, units, group_stride, tokens, y + r, y_stride);
}
#endif
