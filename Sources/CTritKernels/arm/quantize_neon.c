// Tritsmith: NEON versions of the quantizing and packing operations.
#include "neon.h"

#if TRIT_ARM64
#pragma STDC FP_CONTRACT OFF

static void summarize_bf16(const void *w, size_t count, double *lanes, uint16_t *largest,
                           uint16_t *smallest_less_one) {
  float64x2_t sums[4];
  for (int k = 0; k < 4; k++) sums[k] = vld1q_f64(lanes + 2 * k);
  uint16x8_t top = vdupq_n_u16(0), bottom = vdupq_n_u16(0xFFFF);
  const uint16x8_t mask = vdupq_n_u16(0x7FFF), one = vdupq_n_u16(1);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint16x8_t m = vandq_u16(trit_neon_patterns(w, i), mask);
    top = vmaxq_u16(top, m);
    bottom = vminq_u16(bottom, vsubq_u16(m, one));
    float32x4_t low = vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(m), 16));
    float32x4_t high = vreinterpretq_f32_u32(vshll_high_n_u16(m, 16));
    sums[0] = vaddq_f64(sums[0], vcvt_f64_f32(vget_low_f32(low)));
    sums[1] = vaddq_f64(sums[1], vcvt_high_f64_f32(low));
    sums[2] = vaddq_f64(sums[2], vcvt_f64_f32(vget_low_f32(high)));
    sums[3] = vaddq_f64(sums[3], vcvt_high_f64_f32(high));
  }
  for (int k = 0; k < 4; k++) vst1q_f64(lanes + 2 * k, sums[k]);
  uint16_t most = vmaxvq_u16(top), least = vminvq_u16(bottom);
  for (; i < count; i++) {
    uint16_t m = trit_pattern_at(w, i) & 0x7FFF, less = (uint16_t)(m - 1);
    lanes[i % 8] += trit_magnitude_at(w, i);
    if (m > most) most = m;
    if (less < least) least = less;
  }
  if (most > *largest) *largest = most;
  if (least < *smallest_less_one) *smallest_less_one = least;
}

// 0xFFFF where the magnitude reaches the threshold of its sign; *sign is 0xFFFF where the sign bit is set.
TRIT_INLINE uint16x8_t reaches(uint16x8_t w, uint16x8_t positive, uint16x8_t negative, uint16x8_t *sign) {
  *sign = vreinterpretq_u16_s16(vshrq_n_s16(vreinterpretq_s16_u16(w), 15));
  return vcgeq_u16(vandq_u16(w, vdupq_n_u16(0x7FFF)), vbslq_u16(*sign, negative, positive));
}

static void quantize_bf16(const void *w, size_t count, uint16_t positive, uint16_t negative, int8_t *trits) {
  const uint16x8_t up = vdupq_n_u16(positive), down = vdupq_n_u16(negative), one = vdupq_n_u16(1);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint16x8_t sign, r = reaches(trit_neon_patterns(w, i), up, down, &sign);
    vst1_s8(trits + i, vreinterpret_s8_u8(vmovn_u16(vandq_u16(r, vorrq_u16(sign, one)))));
  }
  for (; i < count; i++) {
    uint16_t value = trit_pattern_at(w, i), m = value & 0x7FFF;
    trits[i] = value >> 15 ? (m >= negative ? -1 : 0) : (m >= positive ? 1 : 0);
  }
}

static void snap_bf16(const void *w, size_t count, uint16_t positive, uint16_t negative, uint16_t value, void *out) {
  const uint16x8_t up = vdupq_n_u16(positive), down = vdupq_n_u16(negative);
  const uint16x8_t level = vdupq_n_u16(value), top = vdupq_n_u16(0x8000);
  uint8_t *q = out;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint16x8_t sign, r = reaches(trit_neon_patterns(w, i), up, down, &sign);
    uint16x8_t result = vorrq_u16(vandq_u16(r, level), vandq_u16(sign, top));
    vst1q_u8(q + 2 * i, vreinterpretq_u8_u16(result));
  }
  for (; i < count; i++) {
    uint16_t bits = trit_pattern_at(w, i), m = bits & 0x7FFF;
    uint16_t result = (uint16_t)((m >= (bits >> 15 ? negative : positive) ? value : 0) | (bits & 0x8000));
    memcpy(q + 2 * i, &result, 2);
  }
}

// Bytes wrap as those of the definition do.
TRIT_INLINE uint8x16_t load_trits(const int8_t *trits) { return vreinterpretq_u8_s8(vld1q_s8(trits)); }

static void pack_four(const int8_t *const planes[4], size_t count, uint8_t *out) {
  const uint8x16_t ones = vdupq_n_u8(0x55);  // code = trit + 1 in all four places: add 1 + 4 + 16 + 64
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    uint8x16_t v = vaddq_u8(load_trits(planes[0] + i), ones);
    for (int k = 1; k < 4; k++) v = vmlaq_u8(v, load_trits(planes[k] + i), vdupq_n_u8((uint8_t)(1 << 2 * k)));
    vst1q_u8(out + i, v);
  }
  for (; i < count; i++) {
    int v = planes[3][i];
    for (int k = 2; k >= 0; k--) v = 4 * v + planes[k][i];
    out[i] = (uint8_t)(v + 0x55);
  }
}

static void pack_five(const int8_t *const planes[5], size_t count, uint8_t *out) {
  const uint8x16_t ones = vdupq_n_u8(121);  // 1 + 3 + 9 + 27 + 81
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    // Two sums, so that a product need not wait for all before it.
    uint8x16_t v = vmlaq_u8(vaddq_u8(load_trits(planes[0] + i), ones), load_trits(planes[1] + i), vdupq_n_u8(3));
    uint8x16_t u = vmulq_u8(load_trits(planes[2] + i), vdupq_n_u8(9));
    u = vmlaq_u8(u, load_trits(planes[3] + i), vdupq_n_u8(27));
    v = vmlaq_u8(v, load_trits(planes[4] + i), vdupq_n_u8(81));
    vst1q_u8(out + i, vaddq_u8(u, v));
  }
  for (; i < count; i++) {
    int v = planes[4][i];
    for (int k = 3; k >= 0; k--) v = 3 * v + planes[k][i];
    out[i] = (uint8_t)(v + 121);
  }
}

// Bytes of all ones are counted in bytes for this many steps, which then are added up.
enum { counted_steps = 255 };

static size_t unpack_four(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits) {
  const uint8x16_t three = vdupq_n_u8(3);
  const int8x16_t shift = vdupq_n_s8((int8_t)(-2 * (int)plane)), one = vdupq_n_s8(1);
  size_t i = 0, invalid = 0;
  while (i + 16 <= count) {
    uint8x16_t found = vdupq_n_u8(0);
    for (int step = 0; step < counted_steps && i + 16 <= count; step++, i += 16) {
      uint8x16_t code = vandq_u8(vshlq_u8(vld1q_u8(bytes + i), shift), three);
      found = vsubq_u8(found, vceqq_u8(code, three));
      vst1q_s8(trits + i, vsubq_s8(vreinterpretq_s8_u8(code), one));
    }
    invalid += vaddlvq_u8(found);
  }
  for (; i < count; i++) {
    int code = bytes[i] >> 2 * plane & 3;
    invalid += code == 3;
    trits[i] = (int8_t)(code - 1);
  }
  return invalid;
}

// (v * factor) >> 8 >> -shift
TRIT_INLINE uint8x16_t scaled(uint8x16_t v, uint8x16_t factor, int8x16_t shift) {
  uint16x8_t low = vmull_u8(vget_low_u8(v), vget_low_u8(factor)), high = vmull_high_u8(v, factor);
  return vshlq_u8(vuzp2q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)), shift);
}

static size_t unpack_five(const uint8_t *bytes, size_t count, unsigned plane, int8_t *trits) {
  static const unsigned powers[5] = {1, 3, 9, 27, 81};
  // v / 3^k of a byte is v * factor >> 9, or >> 14 for 81; exact for 0..255 (tested for all).
  static const uint8_t factors[5] = {0, 171, 57, 19, 203};
  const uint8x16_t factor = vdupq_n_u8(factors[plane]), third = vdupq_n_u8(171), three = vdupq_n_u8(3);
  const uint8x16_t limit = vdupq_n_u8(243);
  const int8x16_t shift = vdupq_n_s8(plane == 4 ? -6 : -1), half = vdupq_n_s8(-1), one = vdupq_n_s8(1);
  size_t i = 0, invalid = 0;
  while (i + 16 <= count) {
    uint8x16_t found = vdupq_n_u8(0);
    for (int step = 0; step < counted_steps && i + 16 <= count; step++, i += 16) {
      uint8x16_t v = vld1q_u8(bytes + i);
      found = vsubq_u8(found, vcgeq_u8(v, limit));
      uint8x16_t q = plane == 0 ? v : scaled(v, factor, shift);
      uint8x16_t digit = vmlsq_u8(q, scaled(q, third, half), three);
      vst1q_s8(trits + i, vsubq_s8(vreinterpretq_s8_u8(digit), one));
    }
    invalid += vaddlvq_u8(found);
  }
  for (; i < count; i++) {
    invalid += bytes[i] > 242;
    trits[i] = (int8_t)(bytes[i] / powers[plane] % 3 - 1);
  }
  return invalid;
}

const trit_kernel_table trit_neon_kernels = {
    .name = "neon",
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
