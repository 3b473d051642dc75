// Tritsmith: reports written to files as pages.

import TritCore
import TritReport

/// A page that appears whole or not at all.
///
/// It is made before the work begins, so that a place that cannot be written is known at once.
package struct PageFile: Sendable {
  private let staging: StagedOutput
  private let file: OutputFile

  /// Prepares a page.
  ///
  /// - Throws: `TensorIOError` when something stands at the path and `replacing` is false, or nothing can be made there.
  /// - Parameter inputs: what the command is about to read, so that a page in its place is refused before the work.
  package init(at path: String, replacing: Bool, reading inputs: [String] = []) throws {
    try ReadFiles.check(path, before: inputs)
    staging = try StagedOutput(.file, at: path, replacing: replacing)
    file = try staging.createFile()
  }

  /// Writes the page and puts it in place.
  ///
  /// - Returns: its bytes.
  @discardableResult
  package func write(_ document: ReportDocument) throws -> Int {
    var output = FileStream(file)
    HTMLRenderer().render(document, to: &output)
    let byteCount = try output.finish()
    try file.sync()
    try staging.commit()
    return byteCount
  }
}

/// Text on its way to a file, so that a page of any length takes no memory.
private struct FileStream: TextOutputStream {
  private let file: OutputFile
  private var pending: [UInt8] = []
  private var written = 0
  private var failure: TensorIOError?
  private static let window = 1 << 18

  init(_ file: OutputFile) { self.file = file }

  mutating func write(_ text: String) {
    pending += text.utf8
    if pending.count >= FileStream.window { flush() }
  }

  private mutating func flush() {
    guard failure == nil else { return }
    do throws(TensorIOError) { try file.write(pending, at: UInt64(written)) } catch { failure = error }
    written += pending.count
    pending.removeAll(keepingCapacity: true)
  }

  /// Bytes in all.
  ///
  /// - Throws: the first failure of the file; a text stream cannot tell of it earlier.
  mutating func finish() throws(TensorIOError) -> Int {
    flush()
    if let failure { throw failure }
    return written
  }
}
