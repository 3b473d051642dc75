// Tritsmith: instruction sets of this arm64 processor.
#ifndef TRIT_ARM_FEATURES_H
#define TRIT_ARM_FEATURES_H

typedef struct {
  // Dot products of four signed bytes (FEAT_DotProd), products of 2 × 8 and 8 × 2 bytes (FEAT_I8MM).
  int has_dotprod, has_i8mm;
} trit_arm_features;

// Asked of the operating system; nothing but the base set where it is not known how.
trit_arm_features trit_arm_detect(void);

#endif
