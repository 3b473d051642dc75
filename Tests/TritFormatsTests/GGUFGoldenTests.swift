// Tritsmith: GGUF files made by gguf-py, read and written.

import Testing
import TritCore
import TritTestSupport

@testable import TritFormats

/// What a golden file holds, from the JSON beside it.
private struct Listing {
  let root: JSONObject

  init(_ name: String) throws {
    let file = try InputFile(path: Fixtures.golden("gguf/\(name).json"), mode: .buffered)
    root = try #require(try JSONValue.parse(file.contents(limit: 1 << 20)).object)
  }

  var metadata: [JSONObject.Entry] {
    (root["metadata"]?.object?.entries ?? []).filter { !$0.key.hasPrefix("GGUF.") }
  }

  var tensors: [JSONObject] { (root["tensors"]?.array ?? []).compactMap(\.object) }
}

private let typeNames: [String: String] = [
  "UINT8": "u8", "INT8": "i8", "UINT16": "u16", "INT16": "i16", "UINT32": "u32", "INT32": "i32", "UINT64": "u64",
  "INT64": "i64", "FLOAT32": "f32", "FLOAT64": "f64", "BOOL": "bool", "STRING": "str",
]

@Suite("GGUF: golden files")
struct GGUFGoldenTests {
  static let files = ["all_types_align32", "all_types_align64", "llama256_tq2_0"]

  @Test("every key has its type and value", arguments: files)
  func metadata(_ name: String) throws {
    let listing = try Listing(name)
    let source = try GGUFSource(path: Fixtures.golden("gguf/\(name).gguf"))
    #expect(source.manifest.entries.map(\.key) == listing.metadata.map(\.key))
    for entry in listing.metadata {
      let value = try #require(source.manifest.entry(entry.key))
      let types = entry.value.object?["types"]?.array?.compactMap(\.string) ?? []
      let expectedType = types.count == 2 ? "arr[\(typeNames[types[1]] ?? "")]" : typeNames[types[0]] ?? ""
      #expect(value.typeName == expectedType, "\(entry.key)")
      let expected = try #require(entry.value.object?["value"])
      switch expected {
      case .string(let text): #expect(value.string == text)
      case .bool(let flag): #expect(value.bool == flag)
      case .number(let number):
        #expect(value.text() == number.text || value.double == number.double, "\(entry.key)")
      case .array(let elements):
        #expect(value.array?.count == elements.count)
        if let texts = value.strings { #expect(texts == elements.compactMap(\.string)) }
        if let integers = value.integers { #expect(integers == elements.compactMap { $0.number?.integer }) }
      case .object(let summary):
        #expect(value.array?.count == summary["count"]?.number?.integer)
        let first = summary["first"]?.array ?? []
        if let texts = value.strings { #expect(Array(texts.prefix(first.count)) == first.compactMap(\.string)) }
      case .null: break
      }
    }
  }

  @Test("every tensor has its shape, type, place and bytes", arguments: files)
  func tensors(_ name: String) throws {
    let listing = try Listing(name)
    let source = try GGUFSource(path: Fixtures.golden("gguf/\(name).gguf"))
    #expect(source.manifest.tensors.count == listing.tensors.count)
    for (tensor, expected) in zip(source.manifest.tensors, listing.tensors) {
      #expect(tensor.name == expected["name"]?.string)
      let stored = expected["dims_as_stored"]?.array?.compactMap { $0.number?.integer }
      #expect(tensor.shape.dimensions.reversed() == stored)
      #expect(tensor.encoding.name == expected["type"]?.string)
      #expect(tensor.location.offset == expected["absolute_offset"]?.number?.unsigned)
      #expect(tensor.location.byteCount == expected["bytes"]?.number?.integer)
      let digest = try source.withBytes(0..<tensor.location.byteCount, of: tensor) { bytes in
        let hash = SHA256()
        hash.update(bytes)
        return hash.finalize().description
      }
      #expect(digest == expected["sha256"]?.string)
    }
    #expect(source.manifest.notes.isEmpty)
  }

  @Test("what the writer makes of a golden file's content is the golden file", arguments: files)
  func writing(_ name: String) throws {
    let path = Fixtures.golden("gguf/\(name).gguf")
    let header = try GGUFHeader(of: InputFile(path: path))
    let source = try GGUFSource(path: path)
    let plan = GGUFPlan(
      entries: header.entries,
      tensors: zip(header.tensors, source.manifest.tensors).map {
        GGUFTensor(name: $0.name, shape: $1.shape, type: $0.type, byteCount: $1.location.byteCount)
      })
    let golden = try InputFile(path: path).contents(limit: 1 << 22)
    // The writer aligns to the default of 32 only.
    if header.alignment == 32 { #expect(plan.header == Array(golden[..<Int(header.dataOffset)])) }
    #expect(plan.header.count % 32 == 0)
  }

  @Test("scales of a tensor whose blocks agree are one scale")
  func scales() throws {
    let source = try GGUFSource(path: Fixtures.golden("gguf/llama256_tq2_0.gguf"))
    for tensor in source.manifest.tensors where tensor.encoding.isTernary {
      let scale = try source.scale(of: tensor)
      #expect(scale.granularity == .tensor && scale.storage == .f16 && scale.convention == .multiply)
      #expect(scale.stored[0] > 0.03 && scale.stored[0] < 0.05)
    }
  }
}
