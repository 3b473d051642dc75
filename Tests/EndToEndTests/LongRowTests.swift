// Tritsmith: files of rows that no memory should be spent on.

import Testing
import TritCore
import TritTestSupport

/// A file of one row must not decide how much memory a command takes. Rows of more than 2^20 weights are read in pieces,
/// or refused by what works on whole rows.
@Suite("Rows of any length", .serialized)
struct LongRowTests {
  private static let limit: UInt64 = 96_000_000
  private static let name = "long.weight"

  /// A safetensors file of a tensor and, for packed ones, its scale; what is not written is zero and takes no disk.
  private static func sparse(
    _ path: String, _ dtype: String, _ rows: Int, _ columns: Int, width: Int, scale: Bool = false
  ) -> Int {
    let count = rows * columns * width
    var header = "{\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":[\(rows),\(columns)],\"data_offsets\":[0,\(count)]}"
    if scale {
      header += ",\"\(name)_scale\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[\(count),\(count + 2)]}"
    }
    header += "}"
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    let data = 8 + header.utf8.count
    Disk.write(littleEndianBytes(UInt64(header.utf8.count)) + Array(header.utf8), path)
    Disk.resize(path, to: data + count + (scale ? 2 : 0))
    if scale { Disk.patch(path, at: data + count, [0x00, 0x3F]) }
    return data
  }

  @discardableResult
  private static func measure(_ codes: Set<Int32>, _ command: [String]) -> ProcessResult {
    let result = Tool.run(command + ["--quiet"]) {
      $0.watchesMemory = true
      $0.secondsLimit = 600
    }
    let text = command.joined(separator: " ")
    #expect(result.exitCode.map(codes.contains) == true, "\(text): \(result.summary)")
    if !Sanitizer.isOn { #expect(result.peakResidentBytes < limit, "\(text): \(result.peakResidentBytes)") }
    return result
  }

  // MARK: - Memory

  /// 2^28 columns: a byte for each of them would be 268 MB.
  @Test(
    "no command takes 96 MB for a row of 2^28 weights",
    .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"),
    arguments: [("F32", 4), ("BF16", 2), ("F16", 2)])
  func dense(_ dtype: String, _ width: Int) {
    let scratch = ScratchFolder()
    let path = scratch["long.safetensors"]
    let data = Self.sparse(path, dtype, 1, 1 << 28, width: width)
    // One number that is not zero, near the end.
    Disk.patch(path, at: data + ((1 << 28) - 5) * width, Array([0, 0, 0x80, 0x3F].suffix(width)))
    Self.measure([0, 1], ["check", path])
    Self.measure([0], ["inspect", path, "--stats"])
    Self.measure([0], ["compare", path, path])
    Self.measure([0], ["diff", path, path, "-o", scratch["same.tritdiff"]])
    Self.measure([0], ["convert", path, scratch["long.tritpack"], "--to", "tritpack", "--quantize", "*"])
    Self.measure([0], ["verify", path, scratch["long.tritpack"]])
    Self.measure([0, 1], ["check", scratch["long.tritpack"]])
    Self.measure([0], ["inspect", scratch["long.tritpack"], "--stats"])
    Self.measure([0], ["convert", scratch["long.tritpack"], scratch["dense.safetensors"], "--to", "dense"])
    Self.measure([0], ["compare", scratch["long.tritpack"], scratch["dense.safetensors"]])
  }

  @Test(
    "packed rows take no more", .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
  func packed() {
    let scratch = ScratchFolder()
    let path = scratch["packed.safetensors"]
    let data = Self.sparse(path, "U8", 1, 1 << 27, width: 1, scale: true)
    // Codes are −1 but for two: 1 and 0 in one byte.
    Disk.patch(path, at: data + 77_000_000, [0b0110])
    Self.measure([0, 1], ["check", path, "--scale-convention", "divide"])
    Self.measure([0], ["inspect", path, "--stats", "--scale-convention", "divide"])
    Self.measure([0], ["convert", path, scratch["a.tritpack"], "--to", "tritpack", "--scale-convention", "divide"])
    Self.measure(
      [0],
      ["convert", scratch["a.tritpack"], scratch["b.tritpack"], "--to", "tritpack", "--layout", "base3"])
    Self.measure([0], ["compare", scratch["a.tritpack"], scratch["b.tritpack"]])
    Self.measure([0], ["diff", scratch["a.tritpack"], scratch["b.tritpack"], "-o", scratch["ab.tritdiff"]])
    Self.measure([0], ["apply", scratch["a.tritpack"], scratch["ab.tritdiff"], "-o", scratch["c.tritpack"]])
    Self.measure([0], ["verify", path, scratch["b.tritpack"], "--source-scale", "divide"])
  }
}
