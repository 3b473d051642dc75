// Tritsmith: mapped files that shrink.

/// Turns the signal of a mapped file that became shorter into a message and an exit code.
///
/// The memory that was to be read is gone, and no Swift error can be thrown from there: the process ends. What it was
/// writing stays under its temporary name, where the next run for the same output removes it.
package enum MappedFileGuard {
  /// Starts watching.
  package static func install() {
    Platform.install(handleBusError, for: Platform.busError)
  }
}

private func handleBusError(_ number: Int32) {
  let message: StaticString = """
    error: a mapped file became shorter while it was read, or its disk failed
      to do: run again without --mmap for a report of the file and the place; nothing was put in place

    """
  Platform.writeImmediately(message, to: 2)
  Platform.exitImmediately(ExitCode.inputOutput.rawValue)
}
