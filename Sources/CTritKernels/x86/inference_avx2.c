// Tritsmith: AVX2 versions of the forward pass's ternary products.
//
// An unsigned code 0..3 times a signed byte, two products a 16-bit lane (maddubs): at most 768 in magnitude, so 32 of
// them are added before the lanes are widened to 32 bits. Packed bytes are shifted once, not three times: places 1 and 3
// are multiplied as they stand, four times as large, widened after 8 steps, and divided at the end.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,f16c")))
// A lane of places 1 and 3 holds at most 12 * 128 * 4 a step of 32 bytes: 2^23 bytes of a row stay below 2^31.
enum { asks_ahead = 1, row_block_bytes = 1 << 23 };

#include "grouped_tiles.h"
#include "inference_float.h"
#include "packed_rows.h"
#include "packed_tiles.h"

enum { narrow_bytes = 32 * vector_bytes, large_bytes = 8 * vector_bytes, line_bytes = 64 };

// A step of a tile is 12 maddubs, 12 adds and 8 loads for 384 multiply-adds.
TILE __m256i add_products(__m256i sums, __m256i codes, __m256i x) {
  return _mm256_add_epi16(sums, _mm256_maddubs_epi16(codes, x));
}

TILE __m256i whole_sums(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

TILE __m256i join_sums(__m256i a, __m256i b) { return whole_sums(_mm256_add_epi16(a, _mm256_srai_epi16(b, 2))); }

// Adds the products of 32 bytes, four codes each, to a 16-bit accumulator a place.
TILE void add_step(__m256i v, const int8_t *q, size_t part, __m256i s[4]) {
  const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12);
  __m256i h = _mm256_srli_epi16(v, 4);
  s[0] = add_products(s[0], _mm256_and_si256(v, low), load_q(q));
  s[1] = add_products(s[1], _mm256_and_si256(v, high), load_q(q + part));
  s[2] = add_products(s[2], _mm256_and_si256(h, low), load_q(q + 2 * part));
  s[3] = add_products(s[3], _mm256_and_si256(h, high), load_q(q + 3 * part));
}

// Adds accumulators k and k + 2 to 32-bit ones, and empties them.
TILE void widen_sums(int k, __m256i s[4], __m256i total[4]) {
  for (; k < 4; k += 2) {
    total[k] = _mm256_add_epi32(total[k], whole_sums(s[k]));
    s[k] = _mm256_setzero_si256();
  }
}

// Adds the products of `count` bytes, four codes each, to 32-bit accumulators; those of places 1 and 3 four times as
// large. Place k meets q[k * part + m]. Rows go one after the other: weights of several rows at once share loads of
// activations and are faster in cache, but memory gives them slower than one run of bytes.
TILE void add_row(const uint8_t *w, size_t count, const int8_t *q, size_t part, __m256i total[4]) {
  const size_t whole = count / vector_bytes * vector_bytes;
  __m256i s[4];
  for (int k = 0; k < 4; k++) s[k] = _mm256_setzero_si256();
  for (size_t m = 0; m < whole;) {
    size_t end = whole - m < narrow_bytes ? whole : m + narrow_bytes;
    while (m < end) {
      size_t stop = end - m < large_bytes ? end : m + large_bytes;
      for (; m + line_bytes <= stop; m += line_bytes) {
        ask_ahead(w + m);
        add_step(load_bytes(w + m, vector_bytes), q + m, part, s);
        add_step(load_bytes(w + m + vector_bytes, vector_bytes), q + m + vector_bytes, part, s);
      }
      if (m < stop) add_step(load_bytes(w + m, vector_bytes), q + m, part, s);
      m = stop;
      widen_sums(1, s, total);
    }
    widen_sums(0, s, total);
  }
  if (whole == count) return;
  // Bytes short of a vector come last: the call that copies them would empty the registers of the loop.
  add_step(load_bytes(w + whole, count - whole), q + whole, part, s);
  widen_sums(0, s, total);
  widen_sums(1, s, total);
}

TILE void place_sums(const uint8_t *w, size_t count, const int8_t *q, size_t part, __m256i sums[4]) {
  for (int k = 0; k < 4; k++) sums[k] = _mm256_setzero_si256();
  add_row(w, count, q, part, sums);
  for (int k = 1; k < 4; k += 2) sums[k] = _mm256_srai_epi32(sums[k], 2);
}

const trit_inference_table trit_inference_avx2 = {
    .name = "avx2",
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
