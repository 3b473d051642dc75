#!/usr/bin/env python3
"""Recomputes every number of `tritsmith gap REFERENCE CANDIDATE` in float64 numpy and compares.

The logits and hidden states come from `tritsmith logits` (other code writes them out whole, one model at a time); the
weights come from the checkpoints through the reference reader of safetensors. Nothing of the report is used to compute
what it is compared with, but for the worst tokens' order.

    check_gap_numpy.py TRITSMITH REFERENCE CANDIDATE IDS [--tokens N] [--mode fast|reference]

IDS is a safetensors file with one int tensor of token ids without BOS (`perplexity_ids.safetensors` of a checkpoint);
they are cut as `chunked 256` cuts them. Both models are folders of one or several safetensors files.

Tolerance: 1e-9 relative or 1e-11 absolute: both sides are float64, the sums run in another order. For KL, whose terms
of both signs cancel, 1e-10 absolute. Percentiles interpolate between the same two values.

Exit status: 0 all agree, 1 differ.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from model_files import read_model
from ternary_numpy import unpack

SHARES = [0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]
NAMES = ["min", "p0_1", "p1", "p5", "p10", "p25", "median", "p75", "p90", "p95", "p99", "p99_9", "max"]


class Checker:
    """Counts comparisons and prints those that fail."""

    def __init__(self):
        self.compared, self.failures = 0, []

    def number(self, name, found, expected, relative=1e-9, absolute=1e-11):
        self.compared += 1
        if found is None or expected is None or not np.isfinite(expected):
            good = found is None and (expected is None or not np.isfinite(expected))
        else:
            good = abs(found - expected) <= absolute + relative * abs(expected)
        if not good:
            self.failures.append(f"{name}: report {found}, numpy {expected}")


def mean_and_error(values):
    """Mean and standard error as llama.cpp's perplexity tool has them: population variance over n - 1."""
    error = np.sqrt(values.var() / (len(values) - 1)) if len(values) > 1 else 0.0
    return values.mean(), error


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def check_predictions(check, report, windows, p_logits, q_logits):
    p_all = np.concatenate([logits[:-1] for logits in p_logits]).astype(np.float64)
    q_all = np.concatenate([logits[:-1] for logits in q_logits]).astype(np.float64)
    truth = np.concatenate([window[1:] for window in windows])
    rows = np.arange(len(truth))
    log_p, log_q = log_softmax(p_all), log_softmax(q_all)
    p, q = np.exp(log_p), np.exp(log_q)
    kld = np.maximum(0, (p * (log_p - log_q)).sum(axis=1))
    reverse = np.maximum(0, (q * (log_q - log_p)).sum(axis=1))
    middle = np.log((p + q) / 2)
    shannon = np.maximum(0, ((p * (log_p - middle)).sum(axis=1) + (q * (log_q - middle)).sum(axis=1)) / 2)
    loss_p, loss_q = -log_p[rows, truth], -log_q[rows, truth]
    change = np.exp(-loss_q) - np.exp(-loss_p)

    model = report["model"]

    def number(key, value, **tolerance):
        check.number(f"model.{key}", model[key], value, **tolerance)

    number("tokens", len(truth))
    (mean_p, error_p), (mean_q, error_q) = mean_and_error(loss_p), mean_and_error(loss_q)
    covariance = ((loss_p - mean_p) * (loss_q - mean_q)).mean() / (len(truth) - 1)
    number("reference_perplexity", np.exp(mean_p))
    number("reference_perplexity_error", np.exp(mean_p) * error_p)
    number("perplexity", np.exp(mean_q))
    number("perplexity_error", np.exp(mean_q) * error_q)
    ratio = np.exp(mean_q - mean_p)
    # The standard error of a paired difference, computed from the differences instead of from three variances.
    ratio_error = mean_and_error(loss_q - loss_p)[1]
    number("ln_ppl_ratio", mean_q - mean_p, absolute=1e-12)
    number("ln_ppl_ratio_error", ratio_error, relative=1e-6)
    number("ppl_ratio", ratio)
    number("ppl_ratio_error", ratio * ratio_error, relative=1e-6)
    number("ppl_difference", np.exp(mean_q) - np.exp(mean_p), absolute=1e-10)
    scaled = np.exp(mean_q) * (loss_q - mean_q) - np.exp(mean_p) * (loss_p - mean_p)
    number("ppl_difference_error", mean_and_error(scaled)[1], relative=1e-6)
    number("ln_probability_correlation", np.corrcoef(loss_p, loss_q)[0, 1])
    number("mean_js_divergence", shannon.mean(), absolute=1e-10)
    number("mean_reverse_kld", reverse.mean(), absolute=1e-10)
    for key, share in [
        ("median", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1), ("min", 0),
    ]:
        number(f"{key}_kld", np.quantile(kld, share), absolute=1e-10)
    same = p_all.argmax(axis=1) == q_all.argmax(axis=1)
    number("same_top_1", same.mean())
    number("same_top_1_error", np.sqrt(same.mean() * (1 - same.mean()) / (len(same) - 1)))
    # Stable: the lowest ids first among equal logits.
    top_p = np.argsort(-p_all, axis=1, kind="stable")[:, :5]
    top_q = np.argsort(-q_all, axis=1, kind="stable")[:, :5]
    number("same_top_5", np.mean([len(np.intersect1d(a, b)) / 5 for a, b in zip(top_p, top_q)]))
    for size in (5, 10):
        for key, best, others in [("reference", p_all, q_all), ("candidate", q_all, p_all)]:
            first = np.argsort(-best, axis=1, kind="stable")[:, 0]
            top = np.argsort(-others, axis=1, kind="stable")[:, :size]
            inside = (top == first[:, None]).any(axis=1)
            name = f"{key}_top_1_in_top_{size}"
            number(name, inside.mean())
            number(f"{name}_error", np.sqrt(inside.mean() * (1 - inside.mean()) / (len(inside) - 1)))
    number("mean_delta_p", change.mean())
    number("rms_delta_p", np.sqrt((change**2).mean()))
    difference = p_all - q_all
    spread = p_all - p_all.mean(axis=1, keepdims=True)
    number("logit_nmse", (difference**2).sum() / (spread**2).sum())
    number("max_abs_logit_difference", np.abs(difference).max())
    number("mean_abs_logit_difference", np.abs(difference).mean())

    found = {row["name"]: row for row in report["distributions"]}
    for name, values in [("kld", kld), ("reverse_kld", reverse), ("js_divergence", shannon), ("delta_p", change)]:
        mean, error = mean_and_error(values)
        rms = np.sqrt((values**2).mean())
        expected = {"mean": mean, "mean_error": error, "rms": rms}
        expected["rms_error"] = 0.5 / rms * mean_and_error(values**2)[1]
        expected.update(zip(NAMES, np.quantile(values, SHARES)))
        for key, value in expected.items():
            check.number(f"{name}.{key}", found[name][key], value, relative=1e-7, absolute=1e-10)

    worst = np.argsort(-kld, kind="stable")[:10]
    for place, row in zip(worst, report["worst_tokens"]):
        check.number("worst token's place", row["index"], int(place))
        check.number("worst token's id", row["id"], int(truth[place]))
        check.number("worst token's KL", row["kld"], kld[place])
        check.number("worst token's p", row["reference_probability"], np.exp(-loss_p[place]))
        check.number("worst token's q", row["candidate_probability"], np.exp(-loss_q[place]))


def check_layers(check, report, p_states, q_states):
    """States that `logits --hidden` writes: the residual stream, and the sub-blocks of block 0."""
    rows = {row["name"]: row for row in report["layers"]}
    for name in sorted(set(p_states[0]) & set(rows)):
        p = np.concatenate([states[name] for states in p_states]).astype(np.float64)
        q = np.concatenate([states[name] for states in q_states]).astype(np.float64)
        error, size = ((p - q) ** 2).sum(), (p**2).sum()
        row = rows[name]
        check.number(f"{name} relative error", row["relative_error"], np.sqrt(error / size))
        check.number(f"{name} cosine", row["cosine"], (p * q).sum() / np.sqrt(size * (q**2).sum()))
        check.number(f"{name} SQNR", row["sqnr_db"], 10 * np.log10(size / error) if error > 0 else None)
        check.number(f"{name} max", row["max_abs_difference"], np.abs(p - q).max())
        check.number(f"{name} rms", row["rms"], np.sqrt((p**2).mean()))


def multiply_convention(folder):
    path = Path(folder) / "config.json"
    return json.loads(path.read_text()).get("quantization_config", {}).get("linear_class") == "autobitlinear"


def weights(model, name, multiplies):
    """(values, trits or None, multiplier or None) of a tensor in float64; dense ternary values count as trits."""
    tensor = model[name]
    if tensor.dtype == "U8":
        trits = unpack(tensor.bits()).astype(np.int8) - 1
        stored = model[name + "_scale"].float32()[0]
        multiplier = stored if multiplies else np.float32(1) / stored
        return (trits.astype(np.float32) * multiplier).astype(np.float64), trits, float(multiplier)
    values = tensor.float32()
    magnitudes = np.unique(np.abs(values[values != 0]))
    if name.endswith("_proj.weight") and len(magnitudes) == 1:
        return values.astype(np.float64), np.sign(values).astype(np.int8), float(magnitudes[0])
    return values.astype(np.float64), None, None


def check_tensors(check, report, reference, candidate):
    p_model, q_model = read_model(reference), read_model(candidate)
    p_multiplies, q_multiplies = multiply_convention(reference), multiply_convention(candidate)
    for row in report["tensors"]:
        name = row["name"]
        w, own, _ = weights(p_model, name, p_multiplies)
        v, trits, multiplier = weights(q_model, name, q_multiplies)

        def number(key, value, **tolerance):
            check.number(f"{name} {key}", row[key], value, **tolerance)

        error, size = ((w - v) ** 2).sum(), (w**2).sum()
        number("relative_error", np.sqrt(error / size))
        number("nmse", error / size)
        number("cosine", (w * v).sum() / np.sqrt(size * (v**2).sum()))
        number("sqnr_db", 10 * np.log10(size / error) if error > 0 else None)
        number("max_error", np.abs(w - v).max())
        if error > 0:
            number("max_error_index", int(np.abs(w - v).argmax()))
        number("mean", w.mean(), absolute=1e-10)
        number("std", w.std(), relative=1e-8)
        number("absmean", np.abs(w).mean())
        number("max_magnitude", np.abs(w).max())
        deviation = w - w.mean()
        spread = (deviation**2).mean()
        number("kurtosis", (deviation**4).mean() / spread**2 if spread > 1e-20 else None, relative=1e-6)
        stored = len(q_model[name].data) + (len(q_model[name + "_scale"].data) if name + "_scale" in q_model else 0)
        number("bytes", stored)
        number("effective_bits", 8 * stored / w.size)
        if trits is None:
            check.number(f"{name} zero", row["zero"], None)
            continue
        counts = [int((trits == code).sum()) for code in (-1, 0, 1)]
        for key, value in zip(("minus_one", "zero", "plus_one"), counts):
            number(key, value)
        shares = np.array([count for count in counts if count > 0]) / w.size
        number("zero_share", counts[1] / w.size)
        number("entropy", -(shares * np.log2(shares)).sum())
        number("sign_balance", (counts[2] - counts[0]) / (counts[2] + counts[0]))
        number("multiplier", multiplier)
        best = (w * trits).sum() / (trits != 0).sum()
        number("least_squares_scale", best)
        number("scale_ratio", best / multiplier)
        rest = ((w - best * trits) ** 2).sum()
        if rest > 1e-12 * size:
            number("least_squares_sqnr_db", 10 * np.log10(size / rest), relative=1e-6)
        live = trits != 0
        number("sign_agreement", (np.sign(w[live]) == trits[live]).mean())
        near = (np.abs(np.abs(w / multiplier) - 0.5) <= 0.01).mean()
        number("near_threshold", near if own is None else None)


def run(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode not in (0, 1):
        sys.exit(f"{' '.join(map(str, command))}: exit {result.returncode}\n{result.stderr}")
    return result.stdout


def read_ids(path):
    tensors = read_model(path)
    tensor = next(iter(tensors.values()))
    return np.frombuffer(tensor.data, {"I32": "<i4", "I64": "<i8"}[tensor.dtype])


def floats(path):
    return {name: tensor.float32() for name, tensor in read_model(path).items() if tensor.dtype == "F32"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tritsmith")
    parser.add_argument("reference")
    parser.add_argument("candidate")
    parser.add_argument("ids")
    parser.add_argument("--tokens", type=int, help="only this many ids")
    parser.add_argument("--mode", default="fast")
    parser.add_argument("--bos", type=int, default=1)
    parser.add_argument("--reference-projections", default="auto", help="as of `tritsmith gap`")
    arguments = parser.parse_args()

    ids = read_ids(arguments.ids)[: arguments.tokens]
    windows = [np.concatenate([[arguments.bos], ids[i : i + 255]]) for i in range(0, len(ids), 255)]
    check = Checker()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "ids.json").write_text(json.dumps([window.tolist() for window in windows]))
        options = ["--ids-file", folder / "ids.json", "--mode", arguments.mode]
        logits, states = [], []
        how = arguments.reference_projections
        for side, model, projections in [("p", arguments.reference, how), ("q", arguments.candidate, "auto")]:
            (folder / side).mkdir()
            output = folder / side / "logits.safetensors"
            run([arguments.tritsmith, "logits", model, *options, "--projections", projections, "--hidden", "-o", output])
            written = floats(output)
            logits.append([written[f"prompt{index}.logits"] for index in range(len(windows))])
            states.append(
                [floats(folder / side / f"hidden_prompt{index}.safetensors") for index in range(len(windows))]
            )
        gap = [arguments.tritsmith, "gap", arguments.reference, arguments.candidate, *options]
        report = json.loads(run([*gap, "--reference-projections", how, "--format", "json", "-q"]))
    check_predictions(check, report, windows, *logits)
    check_layers(check, report, *states)
    check_tensors(check, report, arguments.reference, arguments.candidate)
    for failure in check.failures[:40]:
        print(failure)
    print(f"{check.compared} numbers compared, {len(check.failures)} differ")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main())
