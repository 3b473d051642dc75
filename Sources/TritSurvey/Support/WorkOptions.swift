// Tritsmith: how a workflow may use the machine.

import TritCore
import TritKernels

/// How a workflow may use the machine; nothing here changes a result.
public struct WorkOptions: Sendable {
  package var parallelism: Parallelism
  package var kernels: any Kernels
  package var progress: any ProgressObserver
  /// A tensor of a conversion's source up to this many bytes stays in memory until it is written and its audit is
  /// prepared; a larger one is read anew for each.
  package var heldBytes: Int

  package init(
    parallelism: Parallelism, kernels: any Kernels = KernelChoice.best,
    progress: any ProgressObserver = SilentProgress(), heldBytes: Int = WorkOptions.defaultHeldBytes
  ) {
    self.parallelism = parallelism
    self.kernels = kernels
    self.progress = progress
    self.heldBytes = heldBytes
  }
}

extension WorkOptions {
  /// Some threads, a flag that ends the work, and somebody who is told how far it is; every processor when nothing is said.
  ///
  /// - Parameters:
  ///   - threads: 0 means as many as there are processors; more than 256 count as 256.
  ///   - cancellation: once it is set, the work ends with an error, `interrupted`, and leaves nothing behind.
  ///   - progress: told from any thread; nil tells nobody.
  public init(
    threads: Int = 0, cancellation: CancellationFlag = CancellationFlag(), progress: (any ProgressObserver)? = nil
  ) {
    self.init(
      parallelism: Parallelism(threads: threads, cancellation: cancellation), progress: progress ?? SilentProgress())
  }

  /// The largest matrices of models up to 10 billion parameters have 128 MiB in bfloat16.
  package static let defaultHeldBytes = 128 << 20

  /// The same on one thread, for work that runs beside others of its kind.
  package var single: WorkOptions {
    WorkOptions(
      parallelism: Parallelism(threads: 1, cancellation: parallelism.cancellation), kernels: kernels,
      progress: progress, heldBytes: heldBytes)
  }

  /// The same without a word, where the pass around it says how far it is.
  package var silentSingle: WorkOptions {
    WorkOptions(parallelism: single.parallelism, kernels: kernels, heldBytes: heldBytes)
  }
}

/// Bytes of a tensor one thread works on at a time; also bounds what is resident.
package let bandBytes = 2 << 20

/// The program's name and version as written into outputs.
package enum Product {
  /// Of the program; certificates and plans are bound to it.
  package static let version = "0.1.0"
  /// Program and version, as outputs record it.
  package static let generator = "tritsmith " + version
}
