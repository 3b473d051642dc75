// vpdpbusd as it is defined, with AVX2: products are exact in 16 bits each, and sums wrap in 32.
//
// Put in front of inference_avxvnni.c it makes a table that every AVX2 processor can run.
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,f16c")))

TARGET static inline __m256i emulated_dpbusd(__m256i sums, __m256i a, __m256i b) {
  const __m256i ones = _mm256_set1_epi16(1), low = _mm256_set1_epi16(0xFF);
  // Even and odd bytes apart: a pair of products can be more than 16 bits hold.
  __m256i even = _mm256_mullo_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sums, _mm256_add_epi32(_mm256_madd_epi16(even, ones), _mm256_madd_epi16(odd, ones)));
}

#define DPBUSD emulated_dpbusd
#define trit_inference_avxvnni trit_inference_emulated
