// Tritsmith: chooses the forward pass's kernel tables for this CPU.
#include "trit_inference.h"

#if defined(__x86_64__)
#include <cpuid.h>

extern const trit_inference_table trit_inference_avx2;
extern const trit_inference_table trit_inference_avx512;
extern const trit_inference_table trit_inference_avxvnni;

// Compilers before 2021 cannot be asked for it by name.
static int has_avxvnni(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

const trit_inference_table *trit_inference_kernels(unsigned index) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("f16c")) return NULL;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni")) {
    if (index == 0) return &trit_inference_avx512;
    index--;
  }
  if (has_avxvnni()) {
    if (index == 0) return &trit_inference_avxvnni;
    index--;
  }
  return index == 0 ? &trit_inference_avx2 : NULL;
}
#else
#include "arm/features.h"
#include "arm/neon.h"

#if TRIT_ARM64
extern const trit_inference_table trit_inference_neon;
extern const trit_inference_table trit_inference_dotprod;
extern const trit_inference_table trit_inference_i8mm;

const trit_inference_table *trit_inference_kernels(unsigned index) {
  const trit_inference_table *tables[3];
  unsigned count = 0;
  trit_arm_features features = trit_arm_detect();
  if (features.has_i8mm && features.has_dotprod) tables[count++] = &trit_inference_i8mm;
  if (features.has_dotprod) tables[count++] = &trit_inference_dotprod;
  tables[count++] = &trit_inference_neon;
  return index < count ? tables[index] : NULL;
}
#else
const trit_inference_table *trit_inference_kernels(unsigned index) {
  (void)index;
  return NULL;
}
#endif
#endif
