// Tritsmith: all rows and tokens of a product with scales for groups of columns.
//
// Included where GROUPED, the sizes of blocks and `grouped_row`, which multiplies one row with a number of tokens that is
// known when it is compiled, are defined.
#ifndef TRIT_GROUPED_ROWS_H
#define TRIT_GROUPED_ROWS_H

GROUPED void grouped_rows(const uint8_t *w, size_t rows, size_t blocks, int cuts, const char *scales, int is_half,
                          const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                          size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  const size_t scale_bytes = blocks * (size_t)cuts * (is_half ? 2 : 4);
#define WITH(N)                                                                                                \
  grouped_row(w + r * blocks * group_block_bytes, blocks, cuts, scales + r * scale_bytes, is_half, q + t * q_stride, \
              q_stride, sums + t * group_stride, units + t * group_stride, group_stride, N, y + t * y_stride + r,    \
              y_stride)
  // Inputs of a block of tokens stay in cache while the rows go by.
  for (size_t first = 0; first < tokens; first += block_tokens) {
    const size_t end = tokens - first < block_tokens ? tokens : first + block_tokens;
    for (size_t r = 0; r < rows; r++) {
      size_t t = first;
      for (; t + most_tokens <= end; t += most_tokens) WITH(most_tokens);
      for (; t < end; t++) WITH(1);
    }
  }
#undef WITH
}

#endif
