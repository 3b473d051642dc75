// Tritsmith: which files beside a model come along.

import TritCore
import TritFormats
import TritModel

/// The companions of a source that an output carries.
package enum OutputCompanions {
  /// Files by which loaders take a folder for something else than the model that is written.
  ///
  /// Sources: transformers 5.23 `find_adapter_config_file` (a folder with one is an adapter), vLLM's and AutoGPTQ's
  /// `get_config_filenames` (they name a quantization that the weights then have to be in).
  private static let misleading: [(name: String, why: String)] = [
    (adapter, adapterMeaning),
    ("hf_quant_config.json", "it says how other weights were quantized"),
    ("quantize_config.json", "it says how other weights were quantized"),
    ("quant_config.json", "it says how other weights were quantized"),
    (MLXRotation.repetitionName, "it says how other weights were rotated"),
  ]
  static let adapter = "adapter_config.json"
  static let adapterMeaning = "with it loaders take the folder for an adapter of another model"
  /// Larger files in a container were read by whoever wrote it.
  private static let lookedAtBytes = 1 << 16

  /// - Throws: `FormatError.standIn` for a file the model needs and that was never fetched.
  package static func kept(of source: any TensorSource, _ warnings: inout [String]) throws -> [CompanionFile] {
    var result: [CompanionFile] = []
    for companion in source.manifest.companions {
      if let known = misleading.first(where: { $0.name == companion.name }) {
        warnings.append("'\(known.name)' is left out: \(known.why)")
        continue
      }
      if companion.byteCount <= lookedAtBytes, CompanionName.isNeeded(companion.name),
        let standIn = StandIn(firstBytes: try source.companion(named: companion.name))
      {
        throw FormatError(.standIn(standIn), file: FileSystem.join(source.manifest.path, companion.name))
      }
      result.append(companion)
    }
    return result
  }
}
