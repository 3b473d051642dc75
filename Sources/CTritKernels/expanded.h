// Tritsmith: products of packed codes with many tokens, for tables that multiply four rows of bytes of one code each.
#ifndef TRIT_EXPANDED_H
#define TRIT_EXPANDED_H
#include "include/trit_inference.h"

#include <string.h>

// codes[i] = bits 2 plane and 2 plane + 1 of w[i].
typedef void (*trit_expand)(const uint8_t *w, size_t count, unsigned plane, uint8_t *codes);

// sums[t * sum_stride + r] = sum over c < count of codes[r * code_stride + c] * q[t * q_stride + c], r < 4.
// count is a multiple of 64; codes are at most 3.
typedef void (*trit_multiply)(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride, size_t tokens,
                              size_t count, int32_t *sums, size_t sum_stride);

enum { trit_expanded_bytes = 4096, trit_expanded_tokens = 64 };

// Adds the products of four rows of codes; row i of token t goes to sums[t * TRIT_TILE_ROWS + i * row_stride].
static inline void trit_add_products(const uint8_t *codes, const int8_t *q, size_t q_stride, size_t tokens,
                                     size_t count, int32_t *sums, size_t row_stride, trit_multiply multiply) {
  int32_t four[4 * trit_expanded_tokens];
  for (size_t first = 0; first < tokens; first += trit_expanded_tokens) {
    size_t n = tokens - first < trit_expanded_tokens ? tokens - first : trit_expanded_tokens;
    multiply(codes, trit_expanded_bytes, q + first * q_stride, q_stride, n, (count + 63) / 64 * 64, four, 4);
    for (size_t t = 0; t < n; t++) {
      for (size_t i = 0; i < 4; i++) {
        int32_t *sum = sums + (first + t) * TRIT_TILE_ROWS + i * row_stride;
        // Sums wrap as those of the definition do.
        *sum = (int32_t)((uint32_t)*sum + (uint32_t)four[4 * t + i]);
      }
    }
  }
}

// The entry packed_product of a table. Codes past the last byte of a row meet any activations: they are 0.
static inline void trit_expanded_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                         size_t q_stride, size_t tokens, int32_t *sums, trit_expand expand,
                                         trit_multiply multiply) {
  uint8_t codes[4 * trit_expanded_bytes];
  const size_t plane_sums = tokens * TRIT_TILE_ROWS;
  memset(sums, 0, (is_split ? 1 : 4) * plane_sums * sizeof *sums);
  for (size_t m = 0; m < width; m += trit_expanded_bytes) {
    size_t n = width - m < trit_expanded_bytes ? width - m : trit_expanded_bytes;
    memset(codes, 0, sizeof codes);
    for (size_t r = 0; !is_split && r < rows; r++) {
      for (unsigned k = 0; k < 4; k++) expand(w + r * width + m, n, k, codes + k * trit_expanded_bytes);
      trit_add_products(codes, q + m, q_stride, tokens, n, sums + r, plane_sums, multiply);
    }
    for (size_t r = 0; is_split && r < rows; r += 4) {
      if (rows - r < 4) memset(codes, 0, sizeof codes);
      for (unsigned k = 0; k < 4; k++) {
        for (size_t i = 0; i < 4 && r + i < rows; i++)
          expand(w + (r + i) * width + m, n, k, codes + i * trit_expanded_bytes);
        trit_add_products(codes, q + k * width + m, q_stride, tokens, n, sums + r, 1, multiply);
      }
    }
  }
}

#endif
