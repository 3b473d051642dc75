"""Holds the formulas behind `BitLinear` to onebitllms' own Triton kernels, run on the CPU by Triton's interpreter.

    TRITON_INTERPRET=1 python3 Tests/Interop/check_onebitllms.py

Needs onebitllms, triton, torch. The package's host function refuses CPU tensors, so its kernels are launched here the way
it launches them. Compared: `weight_kernel` and `activation_kernel` of make_ste_gradients.py, on its cases and on random
matrices with values at the rounding edge. Activations must be equal bit for bit. So must weights, given the mean the
package computes: it sums in float32, and a mean that differs in its last place, then its reciprocal,
moves no trit but the last two bits of a value.
"""

import os
import sys

os.environ.setdefault("TRITON_INTERPRET", "1")

import torch
from make_ste_gradients import activation_kernel, weight_kernel
from onebitllms.kernels import activation_quant as activation_module
from onebitllms.kernels import weight_quant as weight_module


def kernel(function):
    """The kernel itself: on a CPU there is nothing to tune."""
    return getattr(function, "fn", function)


def weight_package(w, block=256):
    flat = w.contiguous().view(-1)
    count = flat.numel()
    grid = ((count + block - 1) // block,)
    sums = torch.empty(grid[0], dtype=torch.float32)
    weight_module.abs_mean_kernel[grid](flat, sums, count, BLOCK_SIZE=block)
    scale = 1.0 / max(sums.sum().item() / float(count), 1e-5)
    out = torch.empty_like(flat)
    weight_module.weight_quant_kernel[grid](flat, out, scale, count, BLOCK_SIZE=block)
    return out.view_as(w)


def activation_package(x, block=256):
    x = x[None]
    batch, length, width = x.shape
    blocks = (width + block - 1) // block
    out = torch.empty_like(x)
    partial = torch.empty(batch * length * blocks, dtype=x.dtype)
    first = kernel(activation_module.partial_max_kernel)
    second = kernel(activation_module.finalize_and_quant_kernel)
    first[(batch, length, blocks)](x, partial, batch, length, width, BLOCK_SIZE=block)
    second[(batch, length)](x, partial, out, batch, length, width, BLOCK_SIZE=block)
    return out[0]


def main():
    torch.manual_seed(7)
    failures = 0
    for rows, columns in [(1, 1), (3, 8), (5, 37), (16, 256), (4, 700)]:
        x = torch.randn(rows, columns)
        x[0, 0] = 127.0
        if columns > 3:
            x[0, 1:3] = torch.tensor([0.5, -0.5])  # exact halves after scaling by 1
        found, expected = activation_kernel(x), activation_package(x)
        wrong = int((found != expected).sum())
        w = torch.randn(rows, columns) * 0.02
        mine, theirs = weight_kernel(w), weight_package(w)
        trits = int((torch.sign(mine) != torch.sign(theirs)).sum())
        off = ((mine - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30)).item()
        good = wrong == 0 and trits == 0 and off <= 2**-22
        failures += not good
        print(f"{rows}x{columns}: activations differ {wrong}, trits differ {trits}, values off by {off:.1e}"
              + ("" if good else "  FAILED"))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
