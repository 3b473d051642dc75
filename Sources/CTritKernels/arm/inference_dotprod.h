// Tritsmith: products with FEAT_DotProd that the table with FEAT_I8MM takes over.
#ifndef TRIT_INFERENCE_DOTPROD_H
#define TRIT_INFERENCE_DOTPROD_H
#include "neon.h"

#if TRIT_ARM64
// The sums of trit_inference_table's code_product.
void trit_dotprod_code_product(const uint8_t *codes, size_t code_stride, const int8_t *q, size_t q_stride,
                               size_t tokens, size_t count, int32_t *sums, size_t sum_stride);
#endif
#endif
