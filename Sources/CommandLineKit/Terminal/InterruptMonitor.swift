// Tritsmith: Ctrl-C.

import Synchronization

/// Turns SIGINT, SIGTERM and SIGHUP into a flag that long work polls, so that it can remove partial files and end.
///
/// The handler only sets an atomic flag and wakes a thread, both safe inside a signal handler. A second signal ends the
/// process at once with 130. Neither a run loop nor a dispatch queue is involved.
package enum InterruptMonitor {
  fileprivate static let flag = Atomic<Bool>(false)
  fileprivate static let wakeDescriptor = Atomic<Int32>(-1)
  private static let isInstalled = Atomic<Bool>(false)

  /// Whether a signal has arrived.
  package static var isInterrupted: Bool { flag.load(ordering: .acquiring) }

  /// Starts watching, once per process; `onInterrupt` runs on a thread of its own after the first signal.
  package static func install(onInterrupt: (@Sendable () -> Void)? = nil) {
    guard !isInstalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // Reading both here runs their lazy initializers, which must not happen inside a handler.
    _ = flag.load(ordering: .relaxed)
    _ = wakeDescriptor.load(ordering: .relaxed)
    if let onInterrupt, let pipe = Platform.makePipe() {
      wakeDescriptor.store(pipe.write, ordering: .releasing)
      Platform.detachThread {
        Platform.waitForByte(from: pipe.read)
        onInterrupt()
      }
    }
    for number in Platform.interruptSignals { Platform.install(handleInterrupt, for: number) }
  }

  /// Throws when a signal has arrived; the runner ends with 130.
  package static func check() throws(ExitRequest) {
    if isInterrupted { throw ExitRequest(.interrupted) }
  }
}

private func handleInterrupt(_ number: Int32) {
  if InterruptMonitor.flag.exchange(true, ordering: .acquiringAndReleasing) {
    Platform.exitImmediately(ExitCode.interrupted.rawValue)
  }
  let descriptor = InterruptMonitor.wakeDescriptor.load(ordering: .acquiring)
  if descriptor >= 0 { Platform.wake(descriptor) }
}
