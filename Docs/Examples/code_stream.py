"""Tritsmith: the code-stream hash of a packed checkpoint in numpy (Docs/Numerics.md).

Prints the hash of one tensor's trits, of the tensor, and of the model, as `tritsmith verify … --format json` does:

    2911650d2f5f364488b3b4c97259810aadaecefa0ce71eff5783efd963d36eea
    ed158eaf3e53d352661673e9191984487352e2f9872f0eaf27dd47dbffcc45a2
    4967c5e4083cceb77785709353c3dacab7076dcf68a1c2809ad4aacd06453f95
"""

import hashlib, json
import numpy as np

FOLDER = "Fixtures/Checkpoints/falcon-e-tiny/bitnet"
NAME = "model.layers.0.self_attn.q_proj.weight"

data = open(FOLDER + "/model.safetensors", "rb").read()
length = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + length])

def stored(name, dtype):
    begin, end = header[name]["data_offsets"]
    return np.frombuffer(data[8 + length + begin : 8 + length + end], dtype).reshape(header[name]["shape"])

def bf16_bits(x):  # nearest, half to even
    bits = np.asarray(x, "<f4").view("<u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")

def stream(name):
    packed = stored(name, "u1")
    codes = np.concatenate([packed >> 2 * k & 3 for k in range(4)])
    trits = hashlib.sha256((codes.astype("i1") - 1).astype("i1").tobytes()).hexdigest()
    divisor = (stored(name + "_scale", "<u2").astype("<u4") << 16).view("<f4")  # bf16 widened
    multiplier = np.float32(1) / divisor                                        # convention: divide
    rows, columns = codes.shape
    text = f"tritsmith code stream 1\n{rows}x{columns}\n{trits}\n".encode()
    return trits, hashlib.sha256(text + bf16_bits(multiplier).tobytes()).hexdigest()

print(*stream(NAME), sep="\n")
names = sorted((n for n in header if n + "_scale" in header), key=str.encode)
model = hashlib.sha256("".join(f"{n}\0{stream(n)[1]}\n" for n in names).encode())
print(model.hexdigest())
