// Tritsmith: products of packed codes with few tokens, row by row: the entries joined_dot and split_dot of a table.
//
// The including file defines what tiles.h asks for, `row_block_bytes`, bytes of a row whose sums 32 bits hold, and
// `place_sums(w, count, q, part, sums)`, which gives the sums of so many bytes of a row in eight lanes for each of
// their four places. Place k meets q[k * part + m].
#ifndef TRIT_PACKED_ROWS_H
#define TRIT_PACKED_ROWS_H
#include "tiles.h"

TILE void place_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part, __m256i sums[4]);

// Sums of the four places of a row.
TILE __m128i row_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  __m128i total = _mm_setzero_si128();
  for (size_t m = 0; m < count; m += row_block_bytes) {
    __m256i s[4];
    place_sums(w + m, count - m < row_block_bytes ? count - m : row_block_bytes, q + m, part, s);
    __m256i four = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
    total = _mm_add_epi32(total, _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1)));
  }
  return total;
}

TARGET static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                              size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    int32_t four[4];
    _mm_storeu_si128((__m128i *)four, row_sums(w, columns, q, 0));
    for (int k = 0; k < 4; k++) sums[k * plane_stride + r] = four[k];
  }
}

TARGET static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) {
    int32_t four[4];
    _mm_storeu_si128((__m128i *)four, row_sums(w, part, q, part));
    sums[r] = (int32_t)((uint32_t)four[0] + (uint32_t)four[1] + (uint32_t)four[2] + (uint32_t)four[3]);
  }
}

#endif
