// Tritsmith: what a patch is, and what making or applying one did.

import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritSurvey

/// What a patch holds, told without its base.
package struct PatchSummary: Sendable {
  package var header: TritDiffHeader
  /// Of the whole patch.
  package var byteCount: UInt64

  init(_ patch: TritDiffPatch) {
    header = patch.header
    byteCount = patch.byteCount
  }

  /// Whether a file begins as a patch does.
  package static func matches(_ path: String) -> Bool { TritDiffPatch.matches(path) }

  /// Opens a patch and checks its checksums.
  package init(path: String, work: WorkOptions = WorkOptions()) throws {
    let patch = try TritDiffPatch(path: path)
    try patch.checkIntegrity(work.parallelism, work.progress)
    self.init(patch)
  }

  /// Of all files the patch gives.
  package var targetBytes: UInt64 { header.targetBytes }

  /// Changes of all ternary tensors by kind, as `TritDiffChange.flips` has them.
  package var flips: [Int] {
    header.tensors.reduce(into: [0, 0, 0, 0, 0, 0]) { sum, tensor in
      guard case .flips(let counts) = tensor.change else { return }
      for index in sum.indices { sum[index] = Checked.clampedSum([sum[index], counts[index]]) }
    }
  }

  /// Trits that have a base to differ from.
  package var comparedTrits: Int {
    Checked.clampedSum(
      header.tensors.lazy.map { tensor in
        guard case .flips = tensor.change else { return 0 }
        return tensor.identity.shape.elementCount
      })
  }

  /// Whether a tensor holds trits that a patch takes as bytes: their blocks hold scales too.
  static func isBlocks(_ tensor: TritDiffTensor) -> Bool {
    guard case .bytes(.opaque(let name), _, _) = tensor.identity.content else { return false }
    return LayoutRegistry.layout(LayoutID(rawValue: name)) != nil
  }

  /// Tensors that hold trits, in whatever form.
  var ternaryTensors: Int { header.tensors.count { $0.identity.isTernary || PatchSummary.isBlocks($0) } }

  /// Tensors of the base that nothing comes from.
  package var removed: [String] {
    let used = Set(header.tensors.lazy.compactMap(\.from).map { ExactString($0) })
    return header.base.tensors.lazy.map(\.name).filter { !used.contains(ExactString($0)) }
  }

  /// What is stored in the patch for a tensor.
  package func bytes(of tensor: TritDiffTensor) -> Int {
    var bytes = header.storedBytes(tensor.section)
    if case .section(let index) = tensor.scale { bytes += header.storedBytes(index) }
    return bytes
  }
}

/// What making a patch did.
package struct DiffResult: Sendable {
  package var base: String
  package var target: String
  package var patch: String
  package var summary: PatchSummary
  package var seconds: Double
}

/// What applying a patch did; every hash of the patch was found in what was written.
package struct ApplyResult: Sendable {
  package var base: String
  package var patch: String
  package var output: String
  package var summary: PatchSummary
  /// Bytes of the files the patch gives.
  package var writtenBytes: UInt64
  /// Where the output is of another format.
  package var conversion: ConversionResult?
  package var seconds: Double
}
