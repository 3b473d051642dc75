// Tritsmith: tiles with vpdpbusd, which adds four products of an unsigned and a signed byte to a lane of 32 bits.
//
// VEX and EVEX name it differently: a file that has tiles defines TARGET and DPBUSD before it includes this one.
#ifndef TRIT_VNNI_H
#define TRIT_VNNI_H
#include "../include/trit_inference.h"

void trit_avx512_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                             int is_half, const int8_t *q, size_t q_stride, const int32_t *sums, const float *units,
                             size_t group_stride, size_t tokens, float *y, size_t y_stride);

#ifdef DPBUSD
#include "tiles.h"

TILE __m256i add_products(__m256i sums, __m256i codes, __m256i x) { return DPBUSD(sums, codes, x); }

TILE __m256i whole_sums(__m256i sums) { return sums; }

TILE __m256i join_sums(__m256i a, __m256i b) { return _mm256_add_epi32(a, _mm256_srai_epi32(b, 2)); }
#endif

#endif
