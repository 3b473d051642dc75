// Tritsmith: what tables of every architecture share, in plain C.
#ifndef TRIT_PORTABLE_H
#define TRIT_PORTABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// bfloat16 pattern number `index`; the address may be odd.
static inline uint16_t trit_pattern_at(const void *w, size_t index) {
  uint16_t value;
  memcpy(&value, (const char *)w + 2 * index, 2);
  return value;
}

static inline double trit_magnitude_at(const void *w, size_t index) {
  uint32_t bits = (uint32_t)(trit_pattern_at(w, index) & 0x7FFF) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// No instruction set counts patterns faster than four tables do, which keep equal neighbours apart.
void trit_histogram16(const void *values, size_t count, uint32_t *tables);

#endif
