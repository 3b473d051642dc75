// Tritsmith: what a patch weighs.

import Testing
import TritCore
import TritDiff
import TritFormats
import TritTestSupport
import WorkflowTestSupport

@Suite struct DiffSizeTests {
  private let scratch = ScratchFolder()

  /// falcon-e-tiny packed, of which a share of the trits is another one.
  private func flipped(_ share: Double, _ name: String) throws -> (changes: Int, trits: Int) {
    var generator = SeededGenerator(seed: 4)
    let path = scratch[name] + "/model.safetensors"
    Disk.copyFolder(Checkpoint.bitnet, to: scratch[name])
    var file = Disk.bytes(path)
    let start = 8 + Int(LittleEndian.u64(file))
    let header = try #require(try JSONValue.parse(Array(file[8..<start])).object)
    var (changes, trits) = (0, 0)
    for entry in header.entries where entry.value.object?["dtype"]?.string == "U8" {
      let places = try #require(entry.value.object?["data_offsets"]?.array).compactMap(\.number?.integer)
      for place in start + places[0]..<start + places[1] {
        for shift in stride(from: 0, to: 8, by: 2) {
          trits += 1
          guard Double(generator.next() % 1_000_000) < share * 1_000_000 else { continue }
          changes += 1
          let code = (file[place] >> UInt8(shift) & 3 + 1 + UInt8(generator.next() % 2)) % 3
          file[place] = file[place] & ~(3 << UInt8(shift)) | code << UInt8(shift)
        }
      }
    }
    Disk.remove(path)
    Disk.write(file, path)
    return (changes, trits)
  }

  /// `zstd -9 --patch-from` (1.5.4) takes 56 kB for such weights alone. The least that any code takes for changes that
  /// nothing tells is H(0.01) + 0.01 bits a trit, 35.7 kB; the rest is two hashes of each tensor, names and files.
  @Test func onePercentOfFalconTakesLessThanThePatchOfZstd() throws {
    let (changes, trits) = try flipped(0.01, "b")
    #expect(trits == 3_145_728)
    let result = try DiffPair.diff(Checkpoint.bitnet, scratch["b"], scratch["p.tritdiff"])
    #expect(result.summary.flips.reduce(0, +) == changes)
    let size = Disk.bytes(scratch["p.tritdiff"]).count
    #expect(size > 35_000 && size < 49_000, "\(size)")
    try DiffPair.apply(Checkpoint.bitnet, scratch["p.tritdiff"], scratch["out"])
    DiffPair.expectSame(scratch["b"], scratch["out"])
  }

  /// The hashes of 67 tensors and scales are 2,144 bytes, which nothing makes smaller.
  @Test func aPatchOfNothingIsHashesAndNames() throws {
    try DiffPair.diff(Checkpoint.bitnet, Checkpoint.bitnet, scratch["p.tritdiff"])
    let size = Disk.bytes(scratch["p.tritdiff"]).count
    #expect(size > 2_144 && size < 7_000, "\(size)")
  }

  @Test func aPatchOfTheVersionBeforeIsRefusedByName() throws {
    let path = scratch["old.tritdiff"]
    try DiffPair.diff(Checkpoint.bitnet, Checkpoint.bitnet, path)
    var bytes = Disk.bytes(path)
    bytes[8] = 1
    Disk.remove(path)
    Disk.write(bytes, path)
    let error = #expect(throws: FormatError.self) { try DiffPair.apply(Checkpoint.bitnet, path, scratch["out"]) }
    #expect(error?.kind == .outdatedVersion(found: "1.0", supported: "2.x"))
    #expect(error?.location.file == path && error?.remedy?.contains("tritsmith diff BASE TARGET") == true)
    #expect(error?.category == .malformedInput && Disk.names(scratch.path) == ["old.tritdiff"])
  }
}
