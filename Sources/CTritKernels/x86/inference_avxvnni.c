// Tritsmith: AVX-VNNI versions of the forward pass's ternary products, for processors without AVX-512.
//
// The tiles are those of AVX2. For few tokens the code of place k is not shifted down but multiplied as it stands, 4^k
// times as large, and the sums are divided.
#if defined(__x86_64__)
// Tests put what defines the instruction in its place: few machines have it.
#ifndef DPBUSD
#define DPBUSD _mm256_dpbusd_avx_epi32
#define TARGET __attribute__((target("avx2,f16c,avxvnni")))
#endif
#include "grouped_tiles.h"
#include "inference_float.h"
#include "packed_tiles.h"
#include "vnni.h"

// Sums of place 3 hold 192 * 128 a product, four products a lane and step: so many bytes of a row stay below 2^31.
enum { row_block_bytes = 1 << 19 };

// As the AVX2 products do.
TILE void ask_ahead(const uint8_t *w) { _mm_prefetch((const char *)w + 4096, _MM_HINT_T0); }

TILE __m256i place(__m256i v, int k) { return _mm256_and_si256(v, _mm256_set1_epi8((char)(3 << 2 * k))); }

// Sums of the four places of a row's block. Place k meets q[k * part + m].
TILE __m128i row_block_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part) {
  __m256i s[4];
  for (int k = 0; k < 4; k++) s[k] = _mm256_setzero_si256();
  for (size_t m = 0; m < count; m += vector_bytes) {
    __m256i v = load_bytes(w + m, count - m);
    if (m % 64 == 0) ask_ahead(w + m);
    for (int k = 0; k < 4; k++)
      s[k] = DPBUSD(s[k], place(v, k), _mm256_loadu_si256((const __m256i *)(q + (size_t)k * part + m)));
  }
  for (int k = 1; k < 4; k++) s[k] = _mm256_srai_epi32(s[k], 2 * k);
  __m256i t = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
}

TILE void row_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part, uint32_t four[4]) {
  __m128i total = _mm_setzero_si128();
  for (size_t m = 0; m < count; m += row_block_bytes) {
    size_t n = count - m < row_block_bytes ? count - m : row_block_bytes;
    total = _mm_add_epi32(total, row_block_sums(w + m, n, q + m, part));
  }
  _mm_storeu_si128((__m128i *)four, total);
}

TARGET static void joined_dot(const uint8_t *w, size_t rows, size_t columns, const int8_t *q, int32_t *sums,
                              size_t plane_stride) {
  for (size_t r = 0; r < rows; r++, w += columns) {
    uint32_t four[4];
    row_sums(w, columns, q, 0, four);
    for (size_t k = 0; k < 4; k++) sums[k * plane_stride + r] = (int32_t)four[k];
  }
}

TARGET static void split_dot(const uint8_t *w, size_t rows, size_t part, const int8_t *q, int32_t *sums) {
  for (size_t r = 0; r < rows; r++, w += part) {
    uint32_t four[4];
    row_sums(w, part, q, part, four);
    sums[r] = (int32_t)(four[0] + four[1] + four[2] + four[3]);
  }
}

TARGET static void packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                                  size_t q_stride, size_t tokens, int32_t *sums) {
  packed_tiles(w, rows, width, is_split, q, q_stride, tokens, sums);
}

TARGET static void grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                               int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                               size_t group_stride, size_t tokens, float *y, size_t y_stride) {
  grouped_tiles(w, rows, blocks, cuts, scales, is_half, q, q_stride, sums, units, group_stride, tokens, y, y_stride);
}

const trit_inference_table trit_inference_avxvnni = {
    .name = "avx-vnni",
    .quantize_row = trit_avx2_quantize_row,
    .joined_dot = joined_dot,
    .split_dot = split_dot,
    .packed_product = packed_product,
    .grouped_dot = grouped_dot,
    .widen_trits = trit_avx2_widen_trits,
    .dot_bf16 = trit_avx2_dot_bf16,
    .dot_f16 = trit_avx2_dot_f16,
    .dot_f32 = trit_avx2_dot_f32,
    .weighted_sum = trit_avx2_weighted_sum,
    .exponentials = trit_avx2_exponentials,
};
#endif
