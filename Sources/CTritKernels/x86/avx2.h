// Tritsmith: what the AVX2 products share.
#ifndef TRIT_AVX2_H
#define TRIT_AVX2_H
#define AVX2 __attribute__((target("avx2,f16c")))
#define INLINE AVX2 static inline __attribute__((always_inline))
#define TARGET AVX2
#include "inference_float.h"
#include "tiles.h"

// Asks for weights that are read once, a page before they are. Left to the hardware, whose requests end with each page,
// products of one token read 0.70 of what plain reading does (Zen 3); so they read 0.93. What lies behind the weights
// may be asked for too: it does nothing.
INLINE void ask_ahead(const uint8_t *w) { _mm_prefetch((const char *)w + 4096, _MM_HINT_T0); }

INLINE __m256i load_q(const int8_t *q) { return _mm256_loadu_si256((const __m256i *)q); }

TILE __m256i add_products(__m256i sums, __m256i codes, __m256i x) {
  return _mm256_add_epi16(sums, _mm256_maddubs_epi16(codes, x));
}

TILE __m256i whole_sums(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

TILE __m256i join_sums(__m256i a, __m256i b) { return whole_sums(_mm256_add_epi16(a, _mm256_srai_epi16(b, 2))); }

void trit_avx2_packed_product(const uint8_t *w, size_t rows, size_t width, int is_split, const int8_t *q,
                              size_t q_stride, size_t tokens, int32_t *sums);
void trit_avx2_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales, int is_half,
                           const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                           size_t group_stride, size_t tokens, float *y, size_t y_stride);

#endif
