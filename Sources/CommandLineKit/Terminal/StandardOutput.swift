// Tritsmith: buffered output that notices when it cannot be written.

import Synchronization

/// Collects text for a descriptor and remembers the first failure, which `flush()` throws.
///
/// `print` ignores a full disk and a closed pipe; a result that was cut short must not end with exit code 0. Writing
/// itself does not throw, so renderers that take a `TextOutputStream` work unchanged. Commands need not flush at the
/// end: the runner does, after `run()`.
package final class StandardOutput: TextOutputStream, Sendable {
  private struct State {
    var buffer: [UInt8] = []
    var failure: OutputError?
  }

  /// The process's standard output.
  package static let shared = StandardOutput(descriptor: Terminal.standardOutput)

  private static let capacity = 1 << 16

  private let state = Mutex(State())
  private let descriptor: Int32
  private let name: String

  /// Buffers for any open descriptor; the name appears in error messages.
  package init(descriptor: Int32, name: String = "standard output") {
    self.descriptor = descriptor
    self.name = name
  }

  /// Adds text; after a failure text is dropped.
  package func write(_ text: String) {
    state.withLock { state in
      guard state.failure == nil else { return }
      state.buffer.append(contentsOf: text.utf8)
      if state.buffer.count >= Self.capacity { drain(&state) }
    }
  }

  /// Hands bytes that are no text to the system, after everything before them.
  ///
  /// - Throws: the first failure since the start, so that a command with much to write stops early.
  package func write(bytes: RawSpan) throws(OutputError) {
    let failure = state.withLock { state in
      if state.failure == nil { drain(&state) }
      if state.failure == nil { note(Platform.writeAll(bytes, to: descriptor), &state) }
      return state.failure
    }
    if let failure { throw failure }
  }

  /// Whether writing has failed, so that a long-running command can stop early.
  package var hasFailed: Bool {
    state.withLock { $0.failure != nil }
  }

  /// Hands everything to the system; throws the first failure since the start, every time.
  package func flush() throws(OutputError) {
    let failure = state.withLock { state in
      if state.failure == nil { drain(&state) }
      return state.failure
    }
    if let failure { throw failure }
  }

  private func drain(_ state: inout State) {
    note(Platform.writeAll(state.buffer.span.bytes, to: descriptor), &state)
    state.buffer.removeAll(keepingCapacity: state.failure == nil)
  }

  /// Remembers what the system said to a write.
  private func note(_ number: Int32, _ state: inout State) {
    if number != 0 { state.failure = OutputError(number: number, name: name) }
  }
}

/// Output that could not be written.
package struct OutputError: ExitCodeProviding, Sendable, Equatable {
  let number: Int32
  let name: String

  /// Whether the reader went away, as in `tritsmith inspect model | head`.
  package var isClosedPipe: Bool { number == Platform.brokenPipe }

  /// A reader that went away is no failure; everything else is.
  package var exitCode: ExitCode { isClosedPipe ? .success : .inputOutput }

  /// What the system said; nothing for a reader that went away.
  package var diagnosticMessage: String {
    isClosedPipe ? "" : "cannot write \(name): \(Platform.message(ofError: number))"
  }
}

/// Unbuffered text for a person: progress, warnings, errors.
package enum StandardError {
  /// Writes at once; there is nowhere to report a failure.
  @Sendable package static func write(_ text: String) {
    _ = Platform.writeAll(Array(text.utf8).span.bytes, to: Terminal.standardError)
  }

  /// Writes "warning: …" as a line, control characters spelled out; a terminal does not cut its words.
  @Sendable package static func warn(_ message: String) {
    explain("warning: " + Terminal.neutralized(message, keepingLines: true) + "\n")
  }

  /// Writes lines for a person: a terminal does not cut their words, and an indented line goes on below itself.
  @Sendable package static func explain(_ text: String) {
    guard let width = Platform.columns(of: Terminal.standardError) else { return write(text) }
    write(explained(text, width: width))
  }

  /// Programs whose commands stand on lines of their own: a line break would break what is pasted.
  private static let programs = ["python -c ", "tritsmith "]

  /// Text in lines of a width.
  static func explained(_ text: String, width: Int) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
      guard columns(of: line) > width, !programs.contains(where: line.hasPrefix) else { return [String(line)] }
      let indent = line.prefix { $0 == " " }.count
      return wrapped(String(line.dropFirst(indent)), width: width, indent: indent)
    }
    return lines.joined(separator: "\n")
  }
}
