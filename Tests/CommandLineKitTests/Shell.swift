// Tritsmith: running other programs from tests.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs a program with text as its input and collects both of its output streams.
enum Shell {
  static func path(of name: String) -> String? {
    let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
    return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  /// Input and output go through temporary files, so that no pipe can fill up and block.
  static func run(_ path: String, _ arguments: [String], input: String) -> (status: Int32, output: String) {
    guard let source = TemporaryFile(containing: input), let sink = TemporaryFile(containing: "") else {
      return (-1, "no temporary file")
    }
    let quoted = ([path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let status = system("\(quoted) < '\(source.path)' > '\(sink.path)' 2>&1")
    return (status, sink.contents)
  }
}

/// A file that is gone when the last reference is.
final class TemporaryFile {
  let path: String
  let descriptor: Int32

  init?(containing text: String) {
    var template = Array("/tmp/command-line-kit-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard descriptor >= 0 else { return nil }
    let bytes = Array(text.utf8)
    if write(descriptor, bytes, bytes.count) != bytes.count { return nil }
  }

  var contents: String {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    unlink(path)
  }
}
