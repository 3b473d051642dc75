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
// Sums of place 3 hold 192 * 128 a product, four products a lane and step: so many bytes of a row stay below 2^31.
enum { asks_ahead = 1, row_block_bytes = 1 << 19 };

#include "grouped_tiles.h"
#include "inference_float.h"
#include "packed_rows.h"
#include "packed_tiles.h"
#include "vnni.h"

TILE __m256i place(__m256i v, int k) { return _mm256_and_si256(v, _mm256_set1_epi8((char)(3 << 2 * k))); }

TILE void place_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part, __m256i sums[4]) {
  for (int k = 0; k < 4; k++) sums[k] = _mm256_setzero_si256();
  for (size_t m = 0; m < count; m += vector_bytes) {
    __m256i v = load_bytes(w + m, count - m);
    if (m % 64 == 0) ask_ahead(w + m);
    for (int k = 0; k < 4; k++) sums[k] = add_products(sums[k], place(v, k), load_q(q + (size_t)k * part + m));
  }
  for (int k = 1; k < 4; k++) sums[k] = _mm256_srai_epi32(sums[k], 2 * k);
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
