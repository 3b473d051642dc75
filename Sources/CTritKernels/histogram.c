// Tritsmith: counting of 16-bit patterns, for every table.
#include "portable.h"

void trit_histogram16(const void *values, size_t count, uint32_t *tables) {
  const char *p = values;
  uint32_t *a = tables, *b = tables + 65536, *c = tables + 131072, *d = tables + 196608;
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t x, y;
    memcpy(&x, p + 2 * i, 8);
    memcpy(&y, p + 2 * i + 8, 8);
    a[x & 0xFFFF]++;
    b[x >> 16 & 0xFFFF]++;
    c[x >> 32 & 0xFFFF]++;
    d[x >> 48]++;
    a[y & 0xFFFF]++;
    b[y >> 16 & 0xFFFF]++;
    c[y >> 32 & 0xFFFF]++;
    d[y >> 48]++;
  }
  for (; i < count; i++) a[trit_pattern_at(values, i)]++;
}
