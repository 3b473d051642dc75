// Tritsmith: exp of many numbers, in plain C that compilers make vectors of.
//
// The including file defines TARGET. `exponential` in InferenceScalar.swift is the definition, and says where the
// numbers are from; nothing is fused, so the bits are the same.
#ifndef TRIT_EXPONENTIALS_H
#define TRIT_EXPONENTIALS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

TARGET static inline void exponentials(float *x, size_t count) {
  const double rounder = 0x1.8p52;
  for (size_t i = 0; i < count; i++) {
    double value = (double)x[i];
    value = value > 200 ? 200 : value;
    value = value < -200 ? -200 : value;
    double power = value * 0x1.71547652b82fep0, shifted = power + rounder;
    double r = (power - (shifted - rounder)) * 0x1.62e42fefa39efp-1;
    double sum = r * (1.0 / 40320) + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1;
    sum = sum * r + 1;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    x[i] = (float)(sum * scale);
  }
}

#endif
