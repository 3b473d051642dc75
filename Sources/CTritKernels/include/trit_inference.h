// Tritsmith: arithmetic of the forward pass with SIMD intrinsics.
//
// No allocation, no files, no errors. InferenceScalar.swift is the definition of every operation; the functions here
// must give the same bits. Inputs may be unaligned. Vectors never cross this interface by value.
//
// Activations are int8 rows padded with zeros to at least TRIT_PADDED(columns) bytes, so vector code may read past the
// last column. Weights are never read past their end: they may be the last bytes of a mapping.
#ifndef TRIT_INFERENCE_H
#define TRIT_INFERENCE_H

#include <stddef.h>
#include <stdint.h>

// Bytes of a padded activation row: the next multiple of 64, and 64 more.
#define TRIT_PADDED(columns) (((columns) + 63) / 64 * 64 + 64)

// Rows of bytes that `packed_product` takes at most, and rows of a panel of `grouped_dot`.
#define TRIT_TILE_ROWS 16

typedef struct {
  const char *name;

  // q[i] = clip(round_half_even(x[i] * scale), -128, 127), scale = (1 / max(max |x|, 1e-5)) * 127, *sum = sum of q.
  // A NaN or infinity in x makes every q 0 and leaves the scale NaN or 0.
  void (*quantize_row)(const float *x, size_t count, int8_t *q, float *scale, int32_t *sum);

  // sums[k * plane_stride + r] = sum over c of code_k(w[r * columns + c]) * q[c], k = 0..3, r < rows.
  // code_k of a byte is its bits 2k and 2k+1.
  void (*joined_dot)(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                     size_t plane_stride);

  // sums[r] = sum over k, m of code_k(w[r * part + m]) * q[k * part + m], k = 0..3, r < rows, m < part.
  void (*split_dot)(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums);

  // The same of many tokens and few rows; r < rows <= TRIT_TILE_ROWS, t < tokens. Where is_split is 0,
  // sums[(k * tokens + t) * TRIT_TILE_ROWS + r] = sum over m < width of code_k(w[r * width + m]) * q[t * q_stride + m].
  // Else sums[t * TRIT_TILE_ROWS + r] = sum over k, m of code_k(w[r * width + m]) * q[t * q_stride + k * width + m].
  // Sums of rows from `rows` to TRIT_TILE_ROWS are 0.
  void (*packed_product)(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q, size_t q_stride,
                         size_t tokens, int32_t *sums);

  // Products with scales for groups of columns. Rows of w come in panels of TRIT_TILE_ROWS, the last one whole too. A
  // panel is `blocks` blocks of 512 bytes, of 128 columns each: byte 64 i + 4 r + j of a block holds columns
  // 4 i + j, 32 + 4 i + j, 64 + 4 i + j, 96 + 4 i + j of row r, i < 8, j < 4; codes are at most 2. A block is cut in
  // `cuts` groups, 1, 2 or 4; group g of row r of panel p has scale scales[(p * blocks * cuts + g) * TRIT_TILE_ROWS + r],
  // float16 where is_half, else float. Token t has q[t * q_stride ...], the sum of group g's q at
  // sums[t * group_stride + g], and its unit at units[t * group_stride + g].
  //
  // y[t * y_stride + r] = sum over g of (float)(sum of code * q - sums[g]) * units[g] * scale[g]; each product is
  // rounded, then added to lane g % 8; lanes join as ((0+1)+(2+3))+((4+5)+(6+7)).
  void (*grouped_dot)(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales, int is_half,
                      const int8_t *q, size_t q_stride, const int32_t *sums, const float *units, size_t group_stride,
                      size_t tokens, float *y, size_t y_stride);

  // out[i] = ((bits 2 plane and 2 plane + 1 of w[i]) - 1) * value.
  void (*widen_trits)(const uint8_t *w, size_t count, unsigned plane, float value, float *out);

  // y[t * y_stride + r] = dot of row r of w (row_bytes apart) and x[t * x_stride ...], r < rows, t < tokens.
  // A dot adds product i, rounded to float, to lane i % 8; lanes join as ((0+1)+(2+3))+((4+5)+(6+7)).
  void (*dot_bf16)(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                   size_t count, float *y, size_t y_stride);
  void (*dot_f16)(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                  size_t count, float *y, size_t y_stride);
  void (*dot_f32)(const void *w, size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                  size_t count, float *y, size_t y_stride);

  // out[i] = sum over r < rows, in order, of weight[r] * v[r * v_stride + i]; each product is rounded before it is
  // added.
  void (*weighted_sum)(const float *weight, const float *v, size_t v_stride, size_t rows, size_t count, float *out);

  // x[i] = exp(x[i]), as `exponential` in InferenceScalar.swift computes it.
  void (*exponentials)(float *x, size_t count);
} trit_inference_table;

// The tables this CPU can run, best first: 0, 1, ...; NULL past the last.
const trit_inference_table *trit_inference_kernels(unsigned index);

// Tells the core that a loop only waits for another core.
static inline void trit_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
