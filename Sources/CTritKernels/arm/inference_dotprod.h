// Tritsmith: products with FEAT_DotProd that the table with FEAT_I8MM takes over.
#ifndef TRIT_INFERENCE_DOTPROD_H
#define TRIT_INFERENCE_DOTPROD_H
#include "neon.h"

#if TRIT_ARM64
// A `trit_multiply`.
void trit_dotprod_code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride,
                               size_t tokens, size_t count, int32_t *sums, size_t sum_stride);

// An entry of trit_inference_table.
void trit_dotprod_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                              int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                              size_t group_stride, size_t tokens, float *y, size_t y_stride);
#endif
#endif
