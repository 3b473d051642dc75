// Tritsmith: the float operations of the forward pass, for tables of any x86 instruction set above AVX2.
//
// Products and sums are rounded apart, never fused: the same bits on processors with and without FMA.
#ifndef TRIT_INFERENCE_FLOAT_H
#define TRIT_INFERENCE_FLOAT_H
#if defined(__x86_64__)
#include "../include/trit_inference.h"

void trit_avx2_quantize_row(const float *x, size_t count, int8_t *q, float *scale, int32_t *sum);
void trit_avx2_widen_trits(const uint8_t *w, size_t count, unsigned plane, float value, float *out);
void trit_avx2_dot_bf16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                        size_t count, float *y, size_t y_stride);
void trit_avx2_dot_f16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride);
void trit_avx2_dot_f32(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride);
void trit_avx2_weighted_sum(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count,
                            float *out);
void trit_avx2_exponentials(float *x, size_t count);
void trit_avx2_expand_codes(const uint8_t *w, size_t count, unsigned plane, uint8_t *codes);

#endif
#endif
