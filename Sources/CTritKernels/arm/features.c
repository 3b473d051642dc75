// Tritsmith: asks the operating system for the instruction sets of an arm64 processor.
#if defined(__aarch64__)
#include "features.h"

#if defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>

static int has(const char *name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}

trit_arm_features trit_arm_detect(void) {
  return (trit_arm_features){has("hw.optional.arm.FEAT_DotProd"), has("hw.optional.arm.FEAT_I8MM")};
}
#elif defined(__linux__)
#include <sys/auxv.h>

// asm/hwcap.h: HWCAP_ASIMDDP of AT_HWCAP and HWCAP2_I8MM of AT_HWCAP2; older headers do not have the second.
trit_arm_features trit_arm_detect(void) {
  return (trit_arm_features){(int)(getauxval(AT_HWCAP) >> 20 & 1), (int)(getauxval(AT_HWCAP2) >> 13 & 1)};
}
#else
trit_arm_features trit_arm_detect(void) { return (trit_arm_features){0, 0}; }
#endif
#endif
