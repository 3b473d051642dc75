"""Writes Fixtures/Golden/ste_gradients.safetensors: BitLinear forward and backward by PyTorch autograd.

    python3 Tests/Interop/make_ste_gradients.py [OUT]

The layer is the one onebitllms trains with, written from its public formulas:

    x_q = x + (activation_quant(x) - x).detach()        straight-through: the gradient passes as if nothing was rounded
    w_q = w + (weight_quant(w) - w).detach()
    y   = x_q @ w_q.T + bias

Two roundings: `kernel` (the Triton kernels: floor(v + 1/2), 127 / max as one division, mean and reciprocal in double)
and `torch` (the BitNet reference and transformers in float32: round half to even, reciprocal then product).
All tensors float32, one thread. `check_onebitllms.py` shows that the `kernel` formulas are those of the package.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.manual_seed(158)


def weight_kernel(w):
    mean = max(w.abs().double().sum().item() / w.numel(), 1e-5)
    scale = torch.tensor(1.0 / mean, dtype=torch.float32)
    return torch.floor(w * scale + 0.5).clamp(-1, 1) / scale


def weight_torch(w):
    scale = 1.0 / w.abs().mean().clamp(min=1e-5)
    return (w * scale).round().clamp(-1, 1) / scale


def activation_kernel(x):
    top = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    scale = torch.full_like(top, 127.0) / top
    return torch.floor(x * scale + 0.5).clamp(-128, 127) / scale


def activation_torch(x):
    scale = 127 / x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5)
    return (x * scale).round().clamp(-128, 127) / scale


ROUNDINGS = {"kernel": (weight_kernel, activation_kernel), "torch": (weight_torch, activation_torch)}
CASES = {  # tokens, input features, output features, bias
    "small": (3, 8, 4, True),
    "odd": (5, 37, 13, False),
    "medium": (16, 256, 64, True),
    "one": (1, 1, 1, True),
}


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "Fixtures/Golden/ste_gradients.safetensors")
    tensors = {}
    for name, (tokens, inputs, outputs, has_bias) in CASES.items():
        x0 = torch.randn(tokens, inputs)
        w0 = torch.randn(outputs, inputs) * 0.02
        if name == "small":
            x0[1] = 0  # a token of zeros meets the clamp
            w0[0, :2] = torch.tensor([0.01, -0.01])
        b0 = torch.randn(outputs) * 0.1
        g = torch.randn(tokens, outputs)
        tensors |= {f"{name}.x": x0, f"{name}.weight": w0, f"{name}.grad_output": g}
        if has_bias:
            tensors[f"{name}.bias"] = b0
        for rounding, (weight_quant, activation_quant) in ROUNDINGS.items():
            x, w, b = (t.clone().requires_grad_() for t in (x0, w0, b0))
            x_q = x + (activation_quant(x) - x).detach()
            w_q = w + (weight_quant(w) - w).detach()
            y = torch.nn.functional.linear(x_q, w_q, b if has_bias else None)
            y.backward(g)
            key = f"{name}.{rounding}"
            tensors |= {
                f"{key}.x_quantized": activation_quant(x0),
                f"{key}.weight_quantized": weight_quant(w0),
                f"{key}.y": y.detach(),
                f"{key}.grad_x": x.grad,
                f"{key}.grad_weight": w.grad,
            }
            if has_bias:
                tensors[f"{key}.grad_bias"] = b.grad
    save_file({k: v.contiguous() for k, v in tensors.items()}, out)
    print(f"{out}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
