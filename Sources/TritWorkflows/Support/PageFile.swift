// Tritsmith: reports written to files as pages.

import TritCore
import TritReport

/// A page that appears whole or not at all.
///
/// It is made before the work begins, so that a place that cannot be written is known at once.
public struct PageFile: Sendable {
  private let staging: StagedOutput
  private let file: OutputFile

  /// Prepares a page.
  ///
  /// - Throws: `TensorIOError` when something stands at the path and `replacing` is false, or nothing can be made there.
  public init(at path: String, replacing: Bool) throws {
    staging = try StagedOutput(.file, at: path, replacing: replacing)
    file = try staging.createFile()
  }

  /// Writes the page and puts it in place.
  ///
  /// - Returns: its bytes.
  @discardableResult
  public func write(_ document: ReportDocument) throws -> Int {
    let bytes = Array(HTMLRenderer().text(of: document).utf8)
    try file.write(bytes, at: 0)
    try file.sync()
    try staging.commit()
    return bytes.count
  }
}
