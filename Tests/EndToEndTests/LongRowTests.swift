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
    #expect(result.exitCode.map { codes.contains($0) } == true, "\(text): \(result.summary)")
    if !Sanitizer.isOn { #expect(result.peakResidentBytes < limit, "\(text): \(result.peakResidentBytes)") }
    return result
  }

  // MARK: - Memory

  /// 2^28 columns: a byte for each of them would be 268 MB.
  @Test(
    "no command takes 96 MB for a row of 2^28 weights",
    .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"),
    arguments: [("F32", 4)])
  func dense(_ dtype: String, _ width: Int) {
    let scratch = ScratchFolder()
    let path = scratch["long.safetensors"]
    let data = Self.sparse(path, dtype, 1, 1 << 28, width: width)
    // Numbers of three magnitudes, so that they are no trits: two where samples are taken, one near the end.
    Disk.patch(path, at: data + ((1 << 28) - 5) * width, Array([0, 0, 0x80, 0x3F].suffix(width)))
    Disk.patch(path, at: data, Array([0, 0, 0x00, 0x3F].suffix(width)))
    Disk.patch(path, at: data + width, Array([0, 0, 0x40, 0x3F].suffix(width)))
    Self.measure([0, 1], ["check", path])
    Self.measure([0], ["inspect", path, "--stats"])
    Self.measure([0], ["compare", path, path])
    Self.measure([0], ["diff", path, path, "-o", scratch["same.tritdiff"]])
    Self.measure([0], ["convert", path, scratch["long.tritpack"], "--to", "tritpack", "--quantize", "*"])
    Self.measure([0], ["verify", path, scratch["long.tritpack"], "--quantize", "*"])
    Self.measure([0, 1], ["check", scratch["long.tritpack"]])
    Self.measure([0], ["inspect", scratch["long.tritpack"], "--stats"])
    // What works on whole rows says so.
    for refused in [["--to", "TQ2_0"], ["--to", "mlx"], ["--to", "tritpack", "--quantizer", "optimal-row"]] {
      let result = Self.measure([64, 65], ["convert", path, scratch["refused"], "--quantize", "*"] + refused)
      #expect(!Disk.exists(scratch["refused"]), "\(refused): \(result.errors)")
    }
  }

  @Test(
    "GGUF rows of trits are listed and not read", .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
  func gguf() {
    let scratch = ScratchFolder()
    let path = scratch["long.gguf"]
    func text(_ value: String) -> [UInt8] { littleEndianBytes(UInt64(value.utf8.count)) + Array(value.utf8) }
    let blocks = 1 << 22
    var header = Array("GGUF".utf8) + littleEndianBytes(UInt32(3)) + littleEndianBytes(UInt64(1))
    header += littleEndianBytes(UInt64(0)) + text("blk.0.ffn_up.weight") + littleEndianBytes(UInt32(2))
    header += littleEndianBytes(UInt64(256 * blocks)) + littleEndianBytes(UInt64(1))
    // The type number of TQ2_0.
    header += littleEndianBytes(UInt32(35)) + littleEndianBytes(UInt64(0))
    header += [UInt8](repeating: 0, count: (32 - header.count % 32) % 32)
    Disk.write(header, path)
    Disk.resize(path, to: header.count + 66 * blocks)
    Self.measure([0], ["inspect", path, "--stats"])
    Self.measure([0, 1, 65], ["check", path])
    Self.measure([0, 1, 64, 65], ["compare", path, path])
    Self.measure([64, 65], ["convert", path, scratch["out.tritpack"], "--to", "tritpack"])
  }

  @Test(
    "packed rows take no more", .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
  func packed() {
    let scratch = ScratchFolder()
    let path = scratch["packed.safetensors"]
    // More than is held in memory between the passes of a conversion, in base 3 too.
    let data = Self.sparse(path, "U8", 1, 170_000_000, width: 1, scale: true)
    // Codes are −1 but for two: 1 and 0 in one byte.
    Disk.patch(path, at: data + 77_000_000, [0b0110])
    Self.measure([0, 1], ["check", path, "--scale-convention", "divide"])
    Self.measure([0], ["inspect", path, "--stats", "--scale-convention", "divide"])
    Self.measure([0], ["convert", path, scratch["a.tritpack"], "--to", "tritpack", "--scale-convention", "divide"])
    Self.measure(
      [0],
      ["convert", scratch["a.tritpack"], scratch["b.tritpack"], "--to", "tritpack", "--layout", "base3"])
    Self.measure([0], ["compare", scratch["a.tritpack"], scratch["b.tritpack"]])
    Self.measure([0], ["verify", path, scratch["b.tritpack"], "--source-scale", "divide"])
  }

  // MARK: - Content

  @Test("a patch between two matrices of long rows gives the target again, byte for byte")
  func patch() {
    let scratch = ScratchFolder()
    let (rows, columns) = (4, 1 << 20 + 1003)
    for (name, changed) in [("a", [Int]()), ("b", [5, 1 << 20 + 7, 3 * columns - 1, 4 * columns - 2])] {
      let path = scratch[name + ".safetensors"]
      let data = Self.sparse(path, "BF16", rows, columns, width: 2)
      var generator = SeededGenerator(seed: 18)
      var bytes = (0..<rows * columns).flatMap { _ in [UInt8(0), UInt8([0x3F, 0xBF, 0x00][Int(generator.next() % 3)])] }
      for place in changed { bytes[2 * place + 1] = bytes[2 * place + 1] == 0x3F ? 0xBF : 0x3F }
      Disk.patch(path, at: data, bytes)
      Tool.expect(0, ["convert", path, scratch[name + ".tritpack"], "--to", "tritpack", "--quantize", "*"])
    }
    let (base, target) = (scratch["a.tritpack"], scratch["b.tritpack"])
    let compared = Tool.expect(1, ["compare", base, target])
    #expect(compared.output.contains("4 codes differ"), "\(compared.output)")
    Tool.expect(0, ["diff", base, target, "-o", scratch["ab.tritdiff"]])
    Tool.expect(0, ["apply", base, scratch["ab.tritdiff"], "-o", scratch["again.tritpack"]])
    #expect(Disk.bytes(scratch["again.tritpack"]) == Disk.bytes(target))
    #expect(Disk.bytes(base) != Disk.bytes(target))
  }
}
