// Tritsmith: arithmetic with SIMD intrinsics behind one narrow interface. No allocation, no files, no errors.
#ifndef TRIT_KERNELS_H
#define TRIT_KERNELS_H

#endif
