// Tritsmith: what the arm64 tables share.
//
// TRIT_ARM64 is defined where they are compiled: 64-bit ARM, little-endian, as the formats are.
#ifndef TRIT_NEON_H
#define TRIT_NEON_H
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define TRIT_ARM64 1

#include "../expanded.h"
#include "../include/trit_inference.h"
#include "../include/trit_kernels.h"
#include "../portable.h"

#include <arm_neon.h>

#define TRIT_INLINE static inline __attribute__((always_inline))

// Clang adds a feature to those of the command line; GCC wants the architecture it belongs to.
#if defined(__clang__)
#define TRIT_DOTPROD __attribute__((target("dotprod")))
#define TRIT_I8MM __attribute__((target("dotprod,i8mm")))
#else
#define TRIT_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define TRIT_I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#endif

enum { trit_vector_bytes = 16 };

// 16 bytes from the last `n` < 16 of a row, zeros after: codes 0, which add nothing.
TRIT_INLINE uint8x16_t trit_neon_tail(const uint8_t *w, size_t n) {
  uint8_t buffer[trit_vector_bytes] = {0};
  memcpy(buffer, w, n);
  return vld1q_u8(buffer);
}

// The codes of place k of 16 bytes, shifted down.
TRIT_INLINE int8x16_t trit_neon_place(uint8x16_t v, int k) {
  const uint8x16_t three = vdupq_n_u8(3);
  switch (k) {
    case 0: return vreinterpretq_s8_u8(vandq_u8(v, three));
    case 1: return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), three));
    case 2: return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), three));
    default: return vreinterpretq_s8_u8(vshrq_n_u8(v, 6));
  }
}

// Eight patterns from an address that may be odd.
TRIT_INLINE uint16x8_t trit_neon_patterns(const void *w, size_t index) {
  return vreinterpretq_u16_u8(vld1q_u8((const uint8_t *)w + 2 * index));
}

void trit_neon_quantize_row(const float *x, size_t count, int8_t *q, float *scale, int32_t *sum);
void trit_neon_expand_codes(const uint8_t *w, size_t count, unsigned plane, uint8_t *codes);
void trit_neon_widen_trits(const uint8_t *w, size_t count, unsigned plane, float value, float *out);
void trit_neon_dot_bf16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                        size_t count, float *y, size_t y_stride);
void trit_neon_dot_f16(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride);
void trit_neon_dot_f32(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                       size_t count, float *y, size_t y_stride);
void trit_neon_weighted_sum(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count,
                            float *out);
void trit_neon_exponentials(float *x, size_t count);

#endif
#endif
