// Tritsmith: AVX2 versions of the quantizing and packing operations.
#if defined(__x86_64__)
#include "../include/trit_kernels.h"
#include "../portable.h"

#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 static void summarize_bf16(const void *w, size_t count, double *lanes, uint16_t *largest,
                                uint16_t *smallest_less_one) {
  const char *p = w;
  __m256d low = _mm256_loadu_pd(lanes), high = _mm256_loadu_pd(lanes + 4);
  __m256i top = _mm256_setzero_si256(), bottom = _mm256_set1_epi16(-1);
  const __m256i mask = _mm256_set1_epi16(0x7FFF), one = _mm256_set1_epi16(1);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m256i m = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(p + 2 * i)), mask);
    top = _mm256_max_epu16(top, m);
    bottom = _mm256_min_epu16(bottom, _mm256_sub_epi16(m, one));
    __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(m)), 16));
    __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(m, 1)), 16));
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(b)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)));
  }
  _mm256_storeu_pd(lanes, low);
  _mm256_storeu_pd(lanes + 4, high);
  uint16_t tops[16], bottoms[16];
  _mm256_storeu_si256((__m256i *)tops, top);
  _mm256_storeu_si256((__m256i *)bottoms, bottom);
  for (int k = 0; k < 16; k++) {
    if (tops[k] > *largest) *largest = tops[k];
    if (bottoms[k] < *smallest_less_one) *smallest_less_one = bottoms[k];
  }
  for (; i < count; i++) {
    uint16_t m = trit_pattern_at(w, i) & 0x7FFF, less = (uint16_t)(m - 1);
    lanes[i % 8] += trit_magnitude_at(w, i);
    if (m > *largest) *largest = m;
    if (less < *smallest_less_one) *smallest_less_one = less;
  }
}

// 0xFFFF where the magnitude reaches the threshold of its sign; *sign is 0xFFFF where the sign bit is set.
AVX2 static inline __m256i reaches(__m256i w, __m256i positive, __m256i negative, __m256i *sign) {
  __m256i m = _mm256_and_si256(w, _mm256_set1_epi16(0x7FFF));
  *sign = _mm256_srai_epi16(w, 15);
  __m256i threshold = _mm256_blendv_epi8(positive, negative, *sign);
  return _mm256_cmpeq_epi16(_mm256_max_epu16(m, threshold), m);
}

AVX2 static void quantize_bf16(const void *w, size_t count, uint16_t positive, uint16_t negative, int8_t *trits) {
  const char *p = w;
  const __m256i up = _mm256_set1_epi16((short)positive), down = _mm256_set1_epi16((short)negative);
  const __m256i one = _mm256_set1_epi16(1);
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i sa, sb;
    __m256i ra = reaches(_mm256_loadu_si256((const __m256i *)(p + 2 * i)), up, down, &sa);
    __m256i rb = reaches(_mm256_loadu_si256((const __m256i *)(p + 2 * i + 32)), up, down, &sb);
    __m256i ta = _mm256_and_si256(ra, _mm256_or_si256(sa, one));
    __m256i tb = _mm256_and_si256(rb, _mm256_or_si256(sb, one));
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi16(ta, tb), 0xD8);
    _mm256_storeu_si256((__m256i *)(trits + i), packed);
  }
  for (; i < count; i++) {
    uint16_t value = trit_pattern_at(w, i), m = value & 0x7FFF;
    trits[i] = value >> 15 ? (m >= negative ? -1 : 0) : (m >= positive ? 1 : 0);
  }
}

AVX2 static void snap_bf16(const void *w, size_t count, uint16_t positive, uint16_t negative, uint16_t value,
                           void *out) {
  const char *p = w;
  char *q = out;
  const __m256i up = _mm256_set1_epi16((short)positive), down = _mm256_set1_epi16((short)negative);
  const __m256i level = _mm256_set1_epi16((short)value), top = _mm256_set1_epi16((short)0x8000);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m256i sign, r = reaches(_mm256_loadu_si256((const __m256i *)(p + 2 * i)), up, down, &sign);
    __m256i result = _mm256_or_si256(_mm256_and_si256(r, level), _mm256_and_si256(sign, top));
    _mm256_storeu_si256((__m256i *)(q + 2 * i), result);
  }
  for (; i < count; i++) {
    uint16_t bits = trit_pattern_at(w, i), m = bits & 0x7FFF;
    uint16_t result = (uint16_t)((m >= (bits >> 15 ? negative : positive) ? value : 0) | (bits & 0x8000));
    memcpy(q + 2 * i, &result, 2);
  }
}

AVX2 static void pack_four(const int8_t *const planes[4], size_t count, uint8_t *out) {
  const __m256i ones = _mm256_set1_epi8(0x55);  // code = trit + 1 in all four places: add 1 + 4 + 16 + 64
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i a = _mm256_loadu_si256((const __m256i *)(planes[0] + i));
    __m256i b = _mm256_loadu_si256((const __m256i *)(planes[1] + i));
    __m256i c = _mm256_loadu_si256((const __m256i *)(planes[2] + i));
    __m256i d = _mm256_loadu_si256((const __m256i *)(planes[3] + i));
    // Horner in bytes: ((d·4 + c)·4 + b)·4 + a, where ·4 is two doublings so that no bit crosses a byte.
    __m256i v = _mm256_add_epi8(d, d);
    v = _mm256_add_epi8(_mm256_add_epi8(v, v), c);
    v = _mm256_add_epi8(v, v);
    v = _mm256_add_epi8(_mm256_add_epi8(v, v), b);
    v = _mm256_add_epi8(v, v);
    v = _mm256_add_epi8(_mm256_add_epi8(v, v), a);
    _mm256_storeu_si256((__m256i *)(out + i), _mm256_add_epi8(v, ones));
  }
  for (; i < count; i++) {
    out[i] = (uint8_t)((planes[0][i] + 1) | (planes[1][i] + 1) << 2 | (planes[2][i] + 1) << 4 |
                       (planes[3][i] + 1) << 6);
  }
}

AVX2 static inline __m256i triple(__m256i v) { return _mm256_add_epi8(_mm256_add_epi8(v, v), v); }

AVX2 static void pack_five(const int8_t *const planes[5], size_t count, uint8_t *out) {
  const __m256i ones = _mm256_set1_epi8(121);  // 1 + 3 + 9 + 27 + 81
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(planes[4] + i));
    for (int k = 3; k >= 0; k--) {
      v = _mm256_add_epi8(triple(v), _mm256_loadu_si256((const __m256i *)(planes[k] + i)));
    }
    _mm256_storeu_si256((__m256i *)(out + i), _mm256_add_epi8(v, ones));
  }
  for (; i < count; i++) {
    int v = planes[4][i];
    for (int k = 3; k >= 0; k--) v = 3 * v + planes[k][i];
    out[i] = (uint8_t)(v + 121);
  }
}

AVX2 static size_t unpack_four(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits) {
  const __m256i three = _mm256_set1_epi8(3), one = _mm256_set1_epi8(1);
  const __m128i shift = _mm_cvtsi32_si128((int)(2 * plane));
  size_t i = 0, invalid = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(bytes + i));
    __m256i code = _mm256_and_si256(_mm256_srl_epi16(v, shift), three);
    invalid += (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(code, three)));
    _mm256_storeu_si256((__m256i *)(trits + i), _mm256_sub_epi8(code, one));
  }
  for (; i < count; i++) {
    int code = bytes[i] >> 2 * plane & 3;
    invalid += code == 3;
    trits[i] = (int8_t)(code - 1);
  }
  return invalid;
}

// v / 3^k for a byte in a 16-bit lane, as multiplication and shift; exact for 0..255 (tested for all).
AVX2 static inline __m256i divided(__m256i v, unsigned k) {
  switch (k) {
    case 0: return v;
    case 1: return _mm256_srli_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(171)), 9);
    case 2: return _mm256_srli_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(57)), 9);
    case 3: return _mm256_srli_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(19)), 9);
    default: return _mm256_srli_epi16(_mm256_mullo_epi16(v, _mm256_set1_epi16(203)), 14);
  }
}

AVX2 static inline __m256i digit(__m256i v, unsigned k) {
  __m256i q = divided(v, k), third = divided(q, 1);
  return _mm256_sub_epi16(q, _mm256_add_epi16(_mm256_add_epi16(third, third), third));
}

AVX2 static size_t unpack_five(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits) {
  static const unsigned powers[5] = {1, 3, 9, 27, 81};
  const __m256i one = _mm256_set1_epi8(1), limit = _mm256_set1_epi8((char)243);
  size_t i = 0, invalid = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(bytes + i));
    __m256i above = _mm256_cmpeq_epi8(_mm256_max_epu8(v, limit), v);
    invalid += (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(above));
    __m256i a = digit(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(v)), plane);
    __m256i b = digit(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1)), plane);
    __m256i d = _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8);
    _mm256_storeu_si256((__m256i *)(trits + i), _mm256_sub_epi8(d, one));
  }
  for (; i < count; i++) {
    invalid += bytes[i] > 242;
    trits[i] = (int8_t)(bytes[i] / powers[plane] % 3 - 1);
  }
  return invalid;
}

const trit_kernel_table trit_avx2_kernels = {
    .name = "avx2",
    .summarize_bf16 = summarize_bf16,
    .quantize_bf16 = quantize_bf16,
    .snap_bf16 = snap_bf16,
    .pack_four = pack_four,
    .pack_five = pack_five,
    .unpack_four = unpack_four,
    .unpack_five = unpack_five,
    .histogram16 = trit_histogram16,
};
#endif
