// Tritsmith: the one table of which program loads what.

import TritLayouts
import TritModel

/// Which program loads which family in which form: what `Loads in` says, and the plan of a conversion.
///
/// A program is a line of `runtimes`; what is known of it a line of `rows`. What no row names was not tried.
package enum RuntimeTable {
  static let transformers = Runtime(name: "transformers", version: "5.23.0") { $0 != .tritpack && $0 != .mlx }
  static let onebitllms = Runtime(name: "onebitllms", version: "0.0.4") { $0 == .trainable }
  static let llamaCpp = Runtime(name: "llama.cpp", version: "ggml 0.25.3, in llama-cpp-python 0.3.36") { $0.isGGUF }
  /// As `setup_env.py` builds it on x86.
  static let bitnetCpp = Runtime(name: "bitnet.cpp", version: "January 2026, x86") { $0.isGGUF }
  static let bitnetCppRows = Runtime(
    name: "bitnet.cpp built without ACT_PARALLEL", version: "January 2026, x86"
  ) { $0.isGGUF }
  static let bitnetCppARM = Runtime(name: "bitnet.cpp on ARM", version: "January 2026") { $0.isGGUF }
  static let ikLlamaCpp = Runtime(name: "ik_llama.cpp", version: "8337e4cd of August 2026, x86") { $0.isGGUF }

  static let mlxLM = Runtime(name: "mlx-lm", version: "0.32.2, with mlx 0.32.4 on CPU") { $0 == .mlx }

  /// Every program, in the order of the page's columns.
  package static let runtimes = [
    transformers, onebitllms, llamaCpp, bitnetCpp, bitnetCppRows, bitnetCppARM, ikLlamaCpp, mlxLM,
  ]

  /// Programs that read the keys of a GGUF file as llama.cpp does.
  static let madeOfLlamaCpp: Set<Runtime> = [llamaCpp, bitnetCpp, bitnetCppRows, bitnetCppARM, ikLlamaCpp]

  private static let dense: [OutputForm] = [.gguf(.bf16), .gguf(.f16), .gguf(.f32)]
  private static let ternary: [OutputForm] = [.gguf(.tq1), .gguf(.tq2)]
  private static let forked: [OutputForm] = [.gguf(.pq2), .gguf(.ptq1)]
  private static let orders = I2SOrder.allCases.map(OutputForm.i2s)
  private static let gguf = ternary + orders + dense
  private static let otherOrder = RuntimeOutcome.misreads("another order of codes")
  private static let noProduct = RuntimeOutcome.misreads("it has no product with I2_S")
  /// The families of `check_engines.py`. One that is added says nothing until it was tried.
  private static let tried: [any Architecture] = [Llama(), BitNet(), Bitnet1bitLLM()]
  private static let noSubNorms = RuntimeOutcome.misreads("model_type is llama: it leaves out the sub-norms")

  /// Everything known. No two rows speak of the same program, family and form.
  package static let rows: [RuntimeRow] =
    [
      RuntimeRow(transformers, Llama(), [.hfPacked, .dense, .trainable], .loads, .tried),
      RuntimeRow(transformers, Llama(), ternary + dense, .loads, .tried),
      RuntimeRow(transformers, Llama(), orders, .refuses("36 is not a valid GGMLQuantizationType"), .tried),
      RuntimeRow(transformers, BitNet(), [.hfPacked, .dense, .trainable], .loads, .tried),
      RuntimeRow(
        transformers, BitNet(), ternary + dense, .refuses("architecture bitnet-b1.58 is not supported yet"), .tried),
      RuntimeRow(transformers, BitNet(), orders, .refuses("36 is not a valid GGMLQuantizationType"), .tried),
      RuntimeRow(transformers, Bitnet1bitLLM(), [.hfPacked, .dense, .trainable], noSubNorms, .tried),
      RuntimeRow(
        transformers, Bitnet1bitLLM(), [.gguf(.f32)], .refuses("architecture bitnet is not supported yet"), .tried),
      RuntimeRow(onebitllms, Llama(), [.trainable], .loads, .source),
      RuntimeRow(llamaCpp, Llama(), ternary + [.gguf(.bf16), .gguf(.f32)], .loads, .tried),
      RuntimeRow(llamaCpp, Llama(), [.gguf(.q2), .gguf(.f16), .numbers], .loads, .source),
      RuntimeRow(llamaCpp, Llama(), forked, .refuses("invalid ggml type"), .source),
      RuntimeRow(llamaCpp, Llama(), orders, .refuses("failed to load model"), .tried),
      RuntimeRow(llamaCpp, BitNet(), gguf, .refuses("unknown model architecture"), .tried),
      RuntimeRow(llamaCpp, BitNet(), [.gguf(.q2)] + forked, .refuses("unknown model architecture"), .source),
      RuntimeRow(llamaCpp, Bitnet1bitLLM(), ternary + [.gguf(.q2)] + dense, .loads, .source),
      RuntimeRow(llamaCpp, Bitnet1bitLLM(), forked, .refuses("invalid ggml type"), .source),
      RuntimeRow(llamaCpp, Bitnet1bitLLM(), orders, .refuses("failed to load model"), .source),
    ]
    + tried.flatMap { family in
      [bitnetCpp, bitnetCppRows].flatMap { build in
        [
          RuntimeRow(build, family, ternary + dense + [.i2s(.group128)], .loads, .tried),
          RuntimeRow(build, family, [.i2s(.group64), .i2s(.rows4)], otherOrder, .tried),
        ]
      } + [
        RuntimeRow(bitnetCppARM, family, [.i2s(.group64)], .loads, .source),
        RuntimeRow(bitnetCppARM, family, [.i2s(.group128), .i2s(.rows4)], otherOrder, .source),
        RuntimeRow(ikLlamaCpp, family, dense, .loads, .tried),
        RuntimeRow(ikLlamaCpp, family, ternary, .refuses("floating point exception"), .tried),
      ]
    } + [
      RuntimeRow(mlxLM, Qwen3(), [.mlx], .loads, .tried),
      RuntimeRow(transformers, Qwen3(), [.dense], .loads, .tried),
      RuntimeRow(llamaCpp, Qwen3(), ternary + [.gguf(.q2)] + dense + [.numbers], .loads, .source),
      RuntimeRow(llamaCpp, Qwen3(), forked, .refuses("invalid ggml type"), .source),
      RuntimeRow(llamaCpp, Qwen35(), [.gguf(.q2)] + dense + [.numbers], .loads, .source),
      RuntimeRow(llamaCpp, Qwen35(), forked, .refuses("invalid ggml type"), .source),
      RuntimeRow(mlxLM, Qwen35(), [.mlx], .loads, .tried),
      RuntimeRow(mlxLM, Llama(), [.mlx], .loads, .tried),
      RuntimeRow(mlxLM, MiniCPM(), [.mlx], .loads, .tried),
      RuntimeRow(mlxLM, BitNet(), [.mlx], .refuses("parameters not in model"), .tried),
      RuntimeRow(mlxLM, Bitnet1bitLLM(), [.mlx], .refuses("parameters not in model"), .tried),
      RuntimeRow(ikLlamaCpp, Llama(), orders, .refuses("ggml.c: fatal error"), .tried),
      RuntimeRow(ikLlamaCpp, BitNet(), orders, noProduct, .tried),
      RuntimeRow(ikLlamaCpp, Bitnet1bitLLM(), orders, noProduct, .tried),
    ]
}
