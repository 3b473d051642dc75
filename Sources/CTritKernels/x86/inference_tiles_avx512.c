// Tritsmith: products with scales of groups for the AVX-512 table.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")))
#define DPBUSD _mm256_dpbusd_epi32
#include "grouped_tiles.h"
#include "vnni.h"

// The hardware asks for the next lines itself.
TILE void ask_ahead(const uint8_t *w) { (void)w; }

TARGET void trit_avx512_grouped_dot(const uint8_t *w, size_t rows, size_t blocks, unsigned cuts, const void *scales,
                                    int is_half, const int8_t *q, size_t q_stride, const int32_t *sums,
                                    const float *units, size_t group_stride, size_t tokens, float *y,
                                    size_t y_stride) {
  grouped_tiles(w, rows, blocks, cuts, scales, is_half, q, q_stride, sums, units, group_stride, tokens, y, y_stride);
}
#endif
