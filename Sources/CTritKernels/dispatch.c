// Tritsmith: chooses a kernel table for this CPU, once.
#include "trit_kernels.h"

#if defined(__x86_64__)
extern const trit_kernel_table trit_avx2_kernels;

const trit_kernel_table *trit_native_kernels(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &trit_avx2_kernels;
  return NULL;
}
#else
#include "arm/neon.h"

#if TRIT_ARM64
extern const trit_kernel_table trit_neon_kernels;

// NEON is part of the base set.
const trit_kernel_table *trit_native_kernels(void) { return &trit_neon_kernels; }
#else
const trit_kernel_table *trit_native_kernels(void) { return NULL; }
#endif
#endif
