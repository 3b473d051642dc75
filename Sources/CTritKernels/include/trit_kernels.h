// Tritsmith: arithmetic with SIMD intrinsics behind one narrow interface.
//
// No allocation, no files, no errors. ScalarKernels.swift is the definition of every operation; the functions here
// must give the same bits. Inputs may be unaligned. Vectors never cross this interface by value: a caller built
// without AVX would read the wrong half.
#ifndef TRIT_KERNELS_H
#define TRIT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;

  // Adds |w[i]| to lanes[i % 8] in order; *largest and *smallest_less_one are the largest magnitude pattern and the
  // smallest non-zero one minus 1 (0xFFFF when all are zero), both combined with what they hold.
  void (*summarize_bf16)(const void *w, size_t count, double *lanes, uint16_t *largest, uint16_t *smallest_less_one);

  // trits[i] = sign of w[i] where its magnitude pattern reaches `positive` (w >= 0) or `negative` (w < 0), else 0.
  void (*quantize_bf16)(const void *w, size_t count, uint16_t positive, uint16_t negative, int8_t *trits);

  // out[i] = sign of w[i] on `value` where the threshold is reached, on zero elsewhere (so zeros keep their sign).
  void (*snap_bf16)(const void *w, size_t count, uint16_t positive, uint16_t negative, uint16_t value, void *out);

  // out[i] = sum of (plane_k[i] + 1) << 2k, k = 0..3.
  void (*pack_four)(const int8_t *const planes[4], size_t count, uint8_t *out);

  // out[i] = sum of (plane_k[i] + 1) * 3^k, k = 0..4.
  void (*pack_five)(const int8_t *const planes[5], size_t count, uint8_t *out);

  // trits[i] = (bytes[i] >> 2 plane & 3) - 1. Returns how many codes were 3.
  size_t (*unpack_four)(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits);

  // trits[i] = bytes[i] / 3^plane % 3 - 1. Returns how many bytes were above 242.
  size_t (*unpack_five)(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits);

  // tables[t][pattern] counts the 16-bit patterns; which of the four tables takes one is not defined, their sum is.
  void (*histogram16)(const void *values, size_t count, uint32_t *tables);
} trit_kernel_table;

// The best table this CPU can run, or NULL when there is none.
const trit_kernel_table *trit_native_kernels(void);

#endif
