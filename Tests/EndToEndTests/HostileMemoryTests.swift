// Tritsmith: files made to cost memory.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Headers of just under 1 MB that hold as many values as fit: what a reader stores for each is many times its text.
@Suite("Memory for hostile files", .disabled(if: Sanitizer.isOn, "sanitizers need memory of their own"))
struct HostileMemoryTests {
  private static let size = 999_900
  private static let limit: UInt64 = 64_000_000

  struct Bomb: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: @Sendable () -> [UInt8]
  }

  /// As many items as fit between head and tail; `#` stands for the number of the item.
  private static func json(_ name: String, _ head: String, _ item: String, _ tail: String) -> Bomb {
    let bytes: @Sendable () -> [UInt8] = {
      let parts = item.split(separator: "#", omittingEmptySubsequences: false).map { Array($0.utf8) }
      var text = Array(head.utf8)
      var index = 0
      while text.count < size - 120 {
        text += parts[0]
        if parts.count > 1 {
          text += Array(String(index).utf8)
          text += parts[1]
        }
        index += 1
      }
      text.removeLast()
      text += Array(tail.utf8)
      return littleEndianBytes(UInt64(text.count)) + text
    }
    return Bomb(testDescription: "safetensors, " + name, bytes: bytes)
  }

  private static func gguf(
    _ name: String, tensors: Int, keys: Int, _ body: @escaping @Sendable () -> [UInt8]
  ) -> Bomb {
    let bytes: @Sendable () -> [UInt8] = {
      var file = Array("GGUF".utf8)
      file += littleEndianBytes(UInt32(3))
      file += littleEndianBytes(UInt64(tensors))
      file += littleEndianBytes(UInt64(keys))
      file += body()
      return file
    }
    return Bomb(testDescription: "GGUF, " + name, bytes: bytes)
  }

  private static func text(_ value: String) -> [UInt8] {
    littleEndianBytes(UInt64(value.utf8.count)) + Array(value.utf8)
  }

  /// One key that holds an array of zeros.
  private static func array(_ name: String, type: UInt32, width: Int) -> Bomb {
    let count = size / width
    return gguf(name, tensors: 0, keys: 1) {
      var body = text("x")
      body += littleEndianBytes(UInt32(9))
      body += littleEndianBytes(type)
      body += littleEndianBytes(UInt64(count))
      body += [UInt8](repeating: 0, count: count * width)
      return body
    }
  }

  private static let ggufKeys = gguf("keys", tensors: 0, keys: size / 22) {
    var body: [UInt8] = []
    for index in 0..<size / 22 {
      body += text(String(index + 100_000))
      body += littleEndianBytes(UInt32(0))
      body.append(1)
    }
    return body
  }

  private static let ggufTensors = gguf("tensors", tensors: size / 38, keys: 0) {
    var body: [UInt8] = []
    for index in 0..<size / 38 {
      body += text(String(index + 100_000))
      body += littleEndianBytes(UInt32(1))
      body += littleEndianBytes(UInt64(1))
      body += littleEndianBytes(UInt32(0))
      body += littleEndianBytes(UInt64(0))
    }
    return body
  }

  static let bombs: [Bomb] = [
    json("numbers", "{\"a\":[", "0,", "]}"),
    json("empty arrays", "{\"a\":[", "[],", "]}"),
    json("empty objects", "{\"a\":[", "{},", "]}"),
    json("metadata", "{\"__metadata__\":{", "\"#\":\"\",", "}}"),
    json("keys", "{", "\"#\":1,", "}"),
    json("dimensions", "{\"a\":{\"dtype\":\"U8\",\"shape\":[", "1,", "],\"data_offsets\":[0,1]}}"),
    json("tensors", "{", "\"#\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},", "}"),
    array("bytes", type: 0, width: 1),
    array("empty strings", type: 8, width: 8),
    array("arrays in an array", type: 9, width: 12),
    ggufKeys,
    ggufTensors,
  ]

  /// Every command that reads a model and needs nothing else; `OUT` is a place to write to.
  private static let commands: [[String]] = [
    ["inspect", "IN"], ["inspect", "IN", "--stats", "--format", "json"], ["inspect", "IN", "--html", "OUT"],
    ["check", "IN"], ["verify", "IN", "IN"], ["compare", "IN", "IN"], ["diff", "IN", "IN", "-o", "OUT"],
    ["convert", "IN", "OUT", "--to", "tritpack"],
  ]

  @Test("no file of 1 MB makes a command take 64 MB, and none is a crash", arguments: bombs)
  func peak(_ bomb: Bomb) {
    let scratch = ScratchFolder()
    let bytes = bomb.bytes()
    #expect(bytes.count < 1_000_100)
    let path = scratch["bomb" + (bytes.starts(with: Array("GGUF".utf8)) ? ".gguf" : ".safetensors")]
    Disk.write(bytes, path)
    var runner = ProcessRunner()
    runner.watchesMemory = true
    for command in Self.commands {
      let arguments = command.map { $0 == "IN" ? path : $0 == "OUT" ? scratch["out"] : $0 }
      let result = runner.run(BuiltProducts.tritsmith, arguments + ["--quiet"])
      // 1 is a check that ran and did not pass, 64 a model that cannot be converted so.
      #expect([0, 1, 64, 65].contains(result.exitCode), "\(command): \(result.summary)")
      #expect(
        result.peakResidentBytes > 0 && result.peakResidentBytes < Self.limit,
        "\(command): \(result.peakResidentBytes)")
      // A process begins as a copy of this one, whose peak counts as its own; other tests raise it at any time.
      let own = ProcessRunner.peakResidentBytes(of: getpid()) ?? 0
      #expect(result.reportedResidentBytes < Self.limit || result.reportedResidentBytes <= own, "\(command)")
      Disk.remove(scratch["out"])
    }
  }
}
