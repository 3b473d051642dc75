// Tritsmith: AVX2 products of many rows in tiles.
//
// A step of a tile is 12 maddubs, 12 adds and 8 loads for 384 multiply-adds.
#if defined(__x86_64__)
#include "avx2.h"
#include "grouped_tiles.h"
#include "packed_tiles.h"

AVX2 void trit_avx2_packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                   size_t q_stride, size_t tokens, int32_t *sums) {
  packed_tiles(w, rows, width, is_split, q, q_stride, tokens, sums);
}

AVX2 void trit_avx2_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                                size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  grouped_tiles(w, rows, blocks, cuts, scales, is_half, q, q_stride, sums, units, group_stride, tokens, y, y_stride);
}
#endif
