// Tritsmith: how a workflow may use the machine.

import TritCore
import TritKernels

/// How a workflow may use the machine; nothing here changes a result.
public struct WorkOptions: Sendable {
  public var parallelism: Parallelism
  public var kernels: any Kernels
  public var progress: any ProgressObserver

  public init(
    parallelism: Parallelism = Parallelism(), kernels: any Kernels = KernelChoice.best,
    progress: any ProgressObserver = SilentProgress()
  ) {
    self.parallelism = parallelism
    self.kernels = kernels
    self.progress = progress
  }
}

/// Bytes of a tensor one thread works on at a time; also bounds what is resident.
let bandBytes = 2 << 20

/// A tensor up to this size stays mapped between its first and second pass; a larger one is read twice.
let residentTensorBytes = 48 << 20

/// The program's name and version as written into outputs.
public enum Product {
  public static let version = "0.1.0"
  public static let generator = "tritsmith " + version
}
