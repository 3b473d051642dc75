// Tritsmith: what a patch is, and what making or applying one did.

import TritConversion
import TritCore
import TritFormats
import TritSurvey

/// What a patch holds, told without its base.
public struct PatchSummary: Sendable {
  public var header: TritDiffHeader
  /// Of the whole patch.
  public var byteCount: UInt64

  init(_ patch: TritDiffPatch) {
    header = patch.header
    byteCount = patch.byteCount
  }

  /// Whether a file begins as a patch does.
  public static func matches(_ path: String) -> Bool { TritDiffPatch.matches(path) }

  /// Opens a patch and checks its checksums.
  public init(path: String, work: WorkOptions = WorkOptions()) throws {
    let patch = try TritDiffPatch(path: path)
    try patch.checkIntegrity(work.parallelism, work.progress)
    self.init(patch)
  }

  /// Of all files the patch gives.
  public var targetBytes: UInt64 { header.targetBytes }

  /// Changes of all ternary tensors by kind, as `TritDiffChange.flips` has them.
  public var flips: [Int] {
    header.tensors.reduce(into: [0, 0, 0, 0, 0, 0]) { sum, tensor in
      guard case .flips(let counts) = tensor.change else { return }
      for index in sum.indices { sum[index] = Checked.clampedSum([sum[index], counts[index]]) }
    }
  }

  /// Trits that have a base to differ from.
  public var comparedTrits: Int {
    Checked.clampedSum(
      header.tensors.lazy.map { tensor in
        guard case .flips = tensor.change else { return 0 }
        return tensor.identity.shape.elementCount
      })
  }

  /// Tensors of the base that nothing comes from.
  public var removed: [String] {
    let used = Set(header.tensors.lazy.compactMap(\.from).map { ExactString($0) })
    return header.base.tensors.lazy.map(\.name).filter { !used.contains(ExactString($0)) }
  }

  /// What is stored in the patch for a tensor.
  public func bytes(of tensor: TritDiffTensor) -> Int {
    var bytes = header.storedBytes(tensor.section)
    if case .section(let index) = tensor.scale { bytes += header.storedBytes(index) }
    return bytes
  }
}

/// What making a patch did.
public struct DiffResult: Sendable {
  public var base: String
  public var target: String
  public var patch: String
  public var summary: PatchSummary
  public var seconds: Double
}

/// What applying a patch did; every hash of the patch was found in what was written.
public struct ApplyResult: Sendable {
  public var base: String
  public var patch: String
  public var output: String
  public var summary: PatchSummary
  /// Bytes of the files the patch gives.
  public var writtenBytes: UInt64
  /// Where the output is of another format.
  public var conversion: ConversionResult?
  public var seconds: Double
}
