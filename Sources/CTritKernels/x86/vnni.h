// Tritsmith: tiles with vpdpbusd, which adds four products of an unsigned and a signed byte to a lane of 32 bits.
//
// VEX and EVEX name it differently: the including file defines TARGET and DPBUSD.
#ifndef TRIT_VNNI_H
#define TRIT_VNNI_H
#include "tiles.h"

TILE __m256i add_products(__m256i sums, __m256i codes, __m256i x) { return DPBUSD(sums, codes, x); }

TILE __m256i whole_sums(__m256i sums) { return sums; }

TILE __m256i join_sums(__m256i a, __m256i b) { return _mm256_add_epi32(a, _mm256_srai_epi32(b, 2)); }

#endif
