"""Merges an adapter with PEFT and compares with `tritsmith merge`.

    python3 Tests/Interop/check_merge_peft.py TRITSMITH BASE

Needs peft, accelerate, torch, transformers. A random adapter (rank and alpha patterns, rank-stabilized scaling) is made
for BASE with PEFT and saved. PEFT merges it into the model loaded in float32; that, rounded once to bfloat16, must be
what tritsmith writes, but where the exact sum lies so near the middle of two bfloat16 numbers that the order of float32
sums decides: there the two must be neighbours, and no more than one weight in ten thousand may be.
PEFT's own merge in bfloat16 rounds the product first and the sum again; how often that differs is printed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main():
    tool, base = sys.argv[1], sys.argv[2]
    torch.manual_seed(3)
    failures = 0
    settings = [
        dict(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
        dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "down_proj", "up_proj"],
             rank_pattern={"down_proj": 16}, alpha_pattern={"layers.1.mlp.up_proj": 3}),
    ]
    for number, options in enumerate(settings):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
            tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options))
            with torch.no_grad():
                for name, parameter in tuned.named_parameters():
                    if "lora_B" in name:
                        parameter.normal_(0, 0.01)
            tuned.save_pretrained(folder / "adapter")
            subprocess.run([tool, "merge", base, folder / "adapter", folder / "out", "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
            found = load_file(folder / "out" / "model.safetensors")
            merged = tuned.merge_and_unload().state_dict()
            half = PeftModel.from_pretrained(
                AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16), folder / "adapter"
            ).merge_and_unload().state_dict()
            weights = differ = far = twice = 0
            for name, tensor in found.items():
                expected = merged[name].to(torch.bfloat16)
                unequal = tensor != expected
                steps = (tensor.view(torch.int16).int() - expected.view(torch.int16).int()).abs()
                weights += tensor.numel()
                differ += int(unequal.sum())
                far += int((steps[unequal] > 1).sum())
                twice += int((half[name] != tensor).sum())
            good = far == 0 and differ * 10000 <= weights
            failures += not good
            print(f"adapter {number}: {len(found)} tensors, {weights} weights, {differ} differ from PEFT in float32 "
                  f"({far} by more than one step), {twice} from PEFT in bfloat16" + ("" if good else "  FAILED"))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
