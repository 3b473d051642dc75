// Tritsmith: TritPack files made, taken apart and put together wrongly.

import TritCore
import TritFormats
import TritTestSupport

/// A small model with every kind of content the container has.
struct SampleModel {
  struct Tensor {
    var plan: TritPackTensor
    var bytes: [UInt8]
    var scales: [Float] = []
    var scaleBytes: [UInt8] = []
  }

  var tensors: [Tensor]
  var files: [(name: String, bytes: [UInt8])]
  let recipe: JSONObject = [
    "tool": "test", "inputs": .array(["a.safetensors"]), "epsilon": .number(JSONNumber(text: "1e-05")),
  ]
  let metadata = [(key: "format", value: "pt"), (key: "é", value: "\u{1F600}")]

  init() {
    var generator = SeededGenerator(seed: 2024)
    tensors = [
      SampleModel.ternary("base3.weight", 5, 13, "base3", 5 * 3, .tensor, .bf16, [4], &generator),
      SampleModel.ternary("two.weight", 4, 9, "two-bit", 4 * 3, .row, .f32, [0.5, 1, 2, 3.3], &generator),
      SampleModel.ternary(
        "hf.weight", 8, 7, "hf-packed", 14, .group(columns: 4), .f16, (1...16).map { Float($0) / 8 }, &generator),
      SampleModel.dense("norm", "F32", [3], &generator), SampleModel.dense("é\u{0}name", "BF16", [2, 3], &generator),
      SampleModel.dense("e\u{301}\u{0}name", "F64", [], &generator),
      SampleModel.dense("empty", "U8", [0, 4], &generator),
      SampleModel.dense("nibbles", "F4", [6], &generator),
    ]
    files = [
      ("tokenizer.json", generator.bytes(100)), ("config.json", Array(#"{"model_type": "llama"}"#.utf8)),
      ("empty.txt", []),
    ]
  }

  static func ternary(
    _ name: String, _ rows: Int, _ columns: Int, _ layout: String, _ byteCount: Int, _ granularity: ScaleGranularity,
    _ storage: DType, _ scales: [Float], _ generator: inout SeededGenerator
  ) -> Tensor {
    guard let shape = TensorShape(rows: rows, columns: columns) else { preconditionFailure() }
    let scaleBytes = scales.flatMap { value -> [UInt8] in
      switch storage {
      // All scales here are exact in their type.
      case .bf16: LittleEndian.bytes(UInt16(value.bitPattern >> 16))
      case .f16: LittleEndian.bytes(HalfFloat(value).bits)
      default: LittleEndian.bytes(value.bitPattern)
      }
    }
    return Tensor(
      plan: TritPackTensor(
        name: name, shape: shape, encoding: .ternary(LayoutID(rawValue: layout)), byteCount: byteCount,
        scale: (storage: storage, granularity: granularity, convention: .divide)),
      // The container does not look into codes.
      bytes: generator.bytes(byteCount), scales: scales, scaleBytes: scaleBytes)
  }

  static func dense(_ name: String, _ dtype: String, _ shape: [Int], _ generator: inout SeededGenerator) -> Tensor {
    guard let dtype = DType(rawValue: dtype), let shape = TensorShape(shape) else { preconditionFailure() }
    let count = shape.elementCount * dtype.bits / 8
    return Tensor(
      plan: TritPackTensor(name: name, shape: shape, encoding: .dense(dtype), byteCount: count),
      bytes: generator.bytes(count))
  }

  func plan(_ compression: TritPackCompression) -> TritPackPlan {
    TritPackPlan(
      generator: "tritsmith test", recipe: recipe, metadata: metadata, tensors: tensors.map(\.plan), files: files,
      compression: compression)
  }

  /// Writes the model; tensors last to first, when `isReversed`, to show that order does not matter.
  func write(
    to path: String, _ compression: TritPackCompression, threads: Int = 2, isReversed: Bool = false
  ) throws {
    let staging = try StagedOutput(.file, at: path, replacing: true)
    let sink = try TritPackSink(plan: plan(compression), staging: staging, parallelism: Parallelism(threads: threads))
    for tensor in isReversed ? tensors.reversed() : tensors {
      try sink.write(tensor.bytes.span.bytes, to: tensor.plan.name, at: 0)
      if !tensor.scaleBytes.isEmpty {
        try sink.write(tensor.scaleBytes.span.bytes, to: TritPackTensor.scaleName(of: tensor.plan.name), at: 0)
      }
    }
    try sink.finish()
    try staging.commit()
  }

  /// The file's bytes.
  func file(_ compression: TritPackCompression) throws -> [UInt8] {
    try TemporaryFolder.with { folder in
      try write(to: folder.path("m.tritpack"), compression)
      return RawFile.read(folder.path("m.tritpack")) ?? []
    }
  }
}

/// A TritPack file taken apart, to be put together with other content and right digests: damage then reaches the
/// checks behind the checksums.
///
///     "TRITPACK" · u16 1 · u16 0 · u32 0 · u64 header offset · u64 header length · SHA-256 of bytes 0…31 and header ·
///     sections from byte 64 · header
struct RawTritPack {
  /// Bytes 64 up to the header.
  var sections: [UInt8]
  var header: JSONObject

  init(_ file: [UInt8]) throws {
    let offset = Int(LittleEndian.u64(file, at: 16))
    let length = Int(LittleEndian.u64(file, at: 24))
    sections = Array(file[64..<offset])
    header = try JSONValue.parse(Array(file[offset..<offset + length])).object ?? JSONObject()
  }

  init(sections: [UInt8], header: JSONObject) {
    self.sections = sections
    self.header = header
  }

  var file: [UInt8] { RawTritPack.file(sections: sections, header: JSONValue.object(header).serialized()) }

  static func file(
    sections: [UInt8], header: [UInt8], version: (UInt16, UInt16) = (1, 0), flags: UInt32 = 0, offset: UInt64? = nil,
    length: UInt64? = nil
  ) -> [UInt8] {
    var prefix = Array("TRITPACK".utf8) + LittleEndian.bytes(version.0) + LittleEndian.bytes(version.1)
    prefix += LittleEndian.bytes(flags)
    prefix += LittleEndian.bytes(offset ?? UInt64(64 + sections.count))
    prefix += LittleEndian.bytes(length ?? UInt64(header.count))
    return prefix + SHA256.digest(of: prefix + header).bytes + sections + header
  }

  /// Sections of the header as they stand there.
  func section(_ index: Int) -> (offset: Int, stored: Int, bytes: Int, compression: String) {
    let object = header["sections"]?.array?[index].object ?? JSONObject()
    func integer(_ key: String) -> Int { object[key]?.number?.integer ?? -1 }
    return (integer("offset"), integer("stored_bytes"), integer("bytes"), object["compression"]?.string ?? "")
  }

  var sectionCount: Int { header["sections"]?.array?.count ?? 0 }

  /// Changes one field: `["sections", 2, "offset"]`. A nil value removes it.
  mutating func set(_ path: [PathStep], _ value: JSONValue?) {
    header = RawTritPack.setting(.object(header), path[...], value)?.object ?? JSONObject()
  }

  /// Puts other stored bytes of the same length in a section and corrects its digest.
  mutating func replaceStored(_ index: Int, with bytes: [UInt8]) {
    let section = section(index)
    precondition(bytes.count == section.stored, "\(bytes.count) bytes for \(section.stored)")
    sections.replaceSubrange(section.offset - 64..<section.offset - 64 + section.stored, with: bytes)
    set(["sections", .index(index), "sha256"], .string(SHA256.digest(of: bytes).description))
  }

  enum PathStep: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    case key(String)
    case index(Int)

    init(stringLiteral value: String) { self = .key(value) }
    init(integerLiteral value: Int) { self = .index(value) }
  }

  private static func setting(_ node: JSONValue, _ path: ArraySlice<PathStep>, _ value: JSONValue?) -> JSONValue? {
    guard let step = path.first else { return value }
    let rest = path.dropFirst()
    switch step {
    case .key(let key):
      var object = node.object ?? JSONObject()
      let changed = setting(object[key] ?? .object(JSONObject()), rest, value)
      if let changed, object[key] == nil {
        object.entries.append(.init(key: key, value: changed))
      } else {
        object[key] = changed
      }
      return .object(object)
    case .index(let index):
      var array = node.array ?? []
      if let changed = setting(index < array.count ? array[index] : .null, rest, value) {
        if index < array.count { array[index] = changed } else { array.append(changed) }
      } else {
        array.remove(at: index)
      }
      return .array(array)
    }
  }
}
