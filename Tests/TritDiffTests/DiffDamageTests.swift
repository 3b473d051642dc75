// Tritsmith: wrong bases, and patches made to do damage.

import Testing
import TritCore
import TritDiff
import TritFormats
import TritSurvey
import TritTestSupport
import WorkflowTestSupport

@Suite struct DiffDamageTests {
  private let scratch = ScratchFolder()
  private var base: String { scratch["a"] }
  private var target: String { scratch["b"] }
  private var patch: String { scratch["p.tritdiff"] }

  init() throws {
    DiffPair.model(2).write(scratch["a"])
    DiffPair.model(3).write(scratch["b"])
    try DiffPair.diff(scratch["a"], scratch["b"], scratch["p.tritdiff"])
  }

  private func refused(_ base: String? = nil) throws -> any DiagnosticError {
    let before = Disk.names(scratch.path)
    do {
      try DiffPair.apply(base ?? self.base, patch, scratch["out"])
    } catch let error as any DiagnosticError {
      #expect(Disk.names(scratch.path) == before, "nothing is left behind")
      return error
    }
    Issue.record("the patch was applied")
    throw CancellationFailure()
  }

  @Test func aBaseWhoseTensorsHaveOtherNamesIsSaidToBeOne() throws {
    try DiffPair.diff(Checkpoint.bitnet, Checkpoint.bitnet, scratch["same.tritdiff"])
    try Workflow.convert(Checkpoint.bitnet, scratch["base.gguf"], to: .gguf)
    let error = #expect(throws: DiffError.self) {
      try DiffPair.apply(scratch["base.gguf"], scratch["same.tritdiff"], scratch["out"])
    }
    #expect(error?.kind == .otherNames && error?.remedy?.contains("TritPack") == true)
  }

  @Test func anotherBaseIsNamedByItsFirstDifference() throws {
    func wrong(_ change: (inout ModelFolderBuilder) -> Void) throws -> DiffError? {
      var model = DiffPair.model(2)
      change(&model)
      Disk.remove(scratch["wrong"])
      model.write(scratch["wrong"])
      return try refused(scratch["wrong"]) as? DiffError
    }
    let trit = try wrong {
      $0.file[DiffPair.query].bytes[3] ^=
        $0.file[DiffPair.query].bytes[3] & 3 == 0 ? 1 : $0.file[DiffPair.query].bytes[3] & 3
    }
    #expect(trit?.location.tensor == DiffPair.query)
    if case .otherHash = trit?.kind {} else { Issue.record("\(String(describing: trit))") }
    let scale = try wrong { $0.file[DiffPair.query + "_scale"].bytes[0] ^= 1 }
    #expect(scale?.location.tensor == DiffPair.query)
    #expect(scale?.summary.contains("scales") == true)
    let dense = try wrong { $0.file["model.norm.weight"].bytes[0] ^= 1 }
    #expect(dense?.location.tensor == "model.norm.weight")
    let missing = try wrong { $0.file.tensors.removeLast() }
    #expect(missing?.kind == .missingTensor && missing?.location.tensor == "model.norm.weight")
    let extra = try wrong { $0.file.tensors.append(RawTensor("more", "U8", [1], [1])) }
    #expect(extra?.kind == .extraTensor && extra?.location.tensor == "more")
    let file = try wrong { $0.companions["vocab.json"] = "{}" }
    if case .otherFile("vocab.json", _, _) = file?.kind {} else { Issue.record("\(String(describing: file))") }
    let missingFile = try wrong { $0.companions["vocab.json"] = nil }
    #expect(missingFile?.kind == .missingFile("vocab.json"))
    #expect(missingFile?.category == .malformedInput)
  }

  @Test func everyFlippedBitAndEveryCutIsRefused() throws {
    let good = Disk.bytes(patch)
    var generator = SeededGenerator(seed: 3)
    for index in good.indices {
      Disk.remove(patch)
      Disk.write(ByteMutator.flipping(bit: Int(generator.next() % 8), of: index, in: good), patch)
      let error = try refused()
      #expect(error is FormatError && error.location.file == patch, "byte \(index): \(error)")
    }
    for count in stride(from: 0, to: good.count, by: 61) {
      Disk.remove(patch)
      Disk.write(Array(good[..<count]), patch)
      #expect(try refused().category == .malformedInput)
    }
  }

  /// A patch with other content and right checksums: what stands behind them is checked too.
  private func resealed(_ change: (inout JSONObject, inout [UInt8]) -> Void) throws {
    let (before, text) = PatchBytes.parts(Disk.bytes(scratch["good"]))
    var sections = Array(before[64...])
    var header = try #require(try JSONValue.parse(text).object)
    change(&header, &sections)
    // Checksums of sections, corrected.
    let list = (header["sections"]?.array ?? []).map { value -> JSONValue in
      guard var object = value.object, let start = object["offset"]?.number?.integer,
        let stored = object["stored_bytes"]?.number?.integer, 64...64 + sections.count ~= start,
        0...64 + sections.count - start ~= stored
      else { return value }
      object["sha256"] = .string(SHA256.digest(of: Array(sections[start - 64..<start - 64 + stored])).description)
      return .object(object)
    }
    header["sections"] = .array(list)
    Disk.remove(patch)
    Disk.write(PatchBytes.assembled(Array(before[..<64]) + sections, JSONValue.object(header).serialized()), patch)
  }

  @Test func everyByteOfASectionIsCheckedBehindItsChecksum() throws {
    Disk.write(Disk.bytes(patch), scratch["good"])
    var unnoticed = 0
    let sections = try TritDiffPatch(path: patch).header.sectionPlaces
    for place in sections.flatMap({ $0 }) {
      try resealed { _, bytes in bytes[place - 64] ^= 1 }
      do {
        try DiffPair.apply(base, patch, scratch["out"])
        // A frame's header can say the same in two ways; what comes out is right then.
        DiffPair.expectSame(target, scratch["out"])
        Disk.remove(scratch["out"])
        unnoticed += 1
      } catch let error as any DiagnosticError {
        // The hash of a tensor or a file is not what is made; or the content cannot be decoded at all.
        #expect([.checkFailed, .malformedInput].contains(error.category), "byte \(place): \(error)")
      }
    }
    #expect(unnoticed <= 2 * sections.count)
  }

  /// Every value of the header replaced by others of its kind and of other kinds.
  @Test func noHeaderCrashes() throws {
    Disk.write(Disk.bytes(patch), scratch["good"])
    let header = try #require(try JSONValue.parse(PatchBytes.parts(Disk.bytes(scratch["good"])).header).object)
    var paths: [[Step]] = []
    Self.collect(.object(header), [], &paths)
    let values: [JSONValue] = [
      .null, .string(""), .string("../x"), .number(JSONNumber(0)), .number(JSONNumber(1)),
      .number(JSONNumber(text: "9223372036854775807")), .number(JSONNumber(text: "18446744073709551615")), .array([]),
      .array([.number(JSONNumber(text: "4611686018427387904")), .number(JSONNumber(4))]), .object(JSONObject()),
    ]
    for path in paths {
      for value in values {
        try resealed { header, _ in header = Self.setting(.object(header), path[...], value).object ?? header }
        do {
          try DiffPair.apply(base, patch, scratch["out"])
          // What people read and nothing depends on.
          let isFree =
            ["generator", "format", "version", "flips", "changed", "largest_change", "coding"].contains {
              name in path.contains { $0 == .key(name) }
            } || path == [.key("target"), .key("name")] || path.first == .key("sections") && path.last == .key("sha256")
          #expect(isFree || Self.setting(.object(header), path[...], value) == .object(header), "\(path) = \(value)")
          Disk.remove(scratch["out"])
        } catch let error as any DiagnosticError {
          #expect(error.category != .internalFault, "\(path): \(error)")
        }
      }
    }
  }

  private enum Step: Equatable {
    case key(String)
    case index(Int)
  }

  private static func collect(_ value: JSONValue, _ path: [Step], _ paths: inout [[Step]]) {
    if !path.isEmpty { paths.append(path) }
    for entry in value.object?.entries ?? [] { collect(entry.value, path + [.key(entry.key)], &paths) }
    for (index, element) in (value.array ?? []).enumerated() { collect(element, path + [.index(index)], &paths) }
  }

  private static func setting(_ value: JSONValue, _ path: ArraySlice<Step>, _ new: JSONValue) -> JSONValue {
    guard let step = path.first else { return new }
    switch step {
    case .key(let key):
      var object = value.object ?? JSONObject()
      object[key] = setting(object[key] ?? .null, path.dropFirst(), new)
      return .object(object)
    case .index(let index):
      var array = value.array ?? []
      array[index] = setting(array[index], path.dropFirst(), new)
      return .array(array)
    }
  }
}

extension TritDiffHeader {
  /// Bytes of the patch that sections hold.
  fileprivate var sectionPlaces: [Range<Int>] {
    (0..<sectionCount).map { Int(storedRange($0).lowerBound)..<Int(storedRange($0).upperBound) }
  }
}
