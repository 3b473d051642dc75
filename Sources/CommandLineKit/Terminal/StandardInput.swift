// Tritsmith: what a program is given on its standard input.

/// Lines of standard input one by one, as a person types them.
package struct StandardInputLines {
  /// A line may have this many bytes.
  private static let limit = 1 << 20

  private var rest: [UInt8] = []
  private var hasEnded = false

  package init() {}

  /// The next line without its end; nil behind the last one.
  /// - Throws: `ExitRequest` for a signal meanwhile, `StandardInputError`; behind a line that is not UTF-8 the next one
  ///   can be asked for.
  package mutating func next() throws -> String? {
    while true {
      if let end = rest.firstIndex(of: 0x0A) {
        defer { rest.removeFirst(end + 1) }
        return try text(rest[..<end])
      }
      if hasEnded {
        defer { rest = [] }
        return rest.isEmpty ? nil : try text(rest[...])
      }
      guard rest.count <= StandardInputLines.limit else {
        throw StandardInputError("holds a line of more than \(StandardInputLines.limit) bytes", .malformedInput)
      }
      try InterruptMonitor.check()
      guard Platform.waitForInput(from: 0) else { continue }
      let (bytes, error) = Platform.readSome(from: 0)
      guard error == 0 else {
        throw StandardInputError("cannot be read: \(Platform.message(ofError: error))", .inputOutput)
      }
      hasEnded = bytes.isEmpty
      rest += bytes
    }
  }

  private func text(_ line: ArraySlice<UInt8>) throws(StandardInputError) -> String {
    let line = line.last == 0x0D ? line.dropLast() : line
    guard let text = String(validating: line, as: UTF8.self) else {
      throw StandardInputError("holds a line that is not UTF-8", .malformedInput, endsInput: false)
    }
    return text
  }
}

/// Standard input that is of no use.
package struct StandardInputError: ExitCodeProviding {
  package let diagnosticMessage: String
  package let exitCode: ExitCode
  /// Whether nothing more can be read.
  package let endsInput: Bool

  init(_ detail: String, _ exitCode: ExitCode, endsInput: Bool = true) {
    diagnosticMessage = "standard input " + detail
    self.exitCode = exitCode
    self.endsInput = endsInput
  }
}
