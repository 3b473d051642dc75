#include "trit_kernels.h"
