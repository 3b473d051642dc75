// Tritsmith: more files than descriptors.

import Testing
import TritTestSupport

@testable import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct DescriptorPoolTests {
  @Test(arguments: [(3, 2), (16, 8), (256, 128), (1024, 512), (1 << 20, 4096)])
  func halfOfTheDescriptorsStayFree(_ limit: Int, _ share: Int) {
    #expect(DescriptorPool.share(of: limit) == share)
  }

  /// 40 files through a pool of 3, from several threads at once.
  @Test func filesComeBack() throws {
    try TemporaryFolder.with { folder in
      let pool = DescriptorPool(limit: 3)
      let files = try (0..<40).map { index in
        let path = folder.write([UInt8](repeating: UInt8(index), count: 100), to: "f\(index)")
        return try InputFile(path: path, mode: .buffered, pool: pool)
      }
      #expect(pool.openCount <= 3)
      try Parallelism(threads: 4).forEachBand(4000) { band in
        let index = band * 7 % 40
        let bytes = try files[index].bytes(10..<20)
        #expect(bytes == [UInt8](repeating: UInt8(index), count: 10))
        // Files being read by the other threads stay open beside.
        #expect(pool.openCount <= 3 + 4)
      }
      for file in files { try file.checkUnchanged() }
    }
  }

  /// 40 files are written through a pool of 3, a byte at a time.
  @Test func filesBeingWrittenComeBack() throws {
    try TemporaryFolder.with { folder in
      let pool = DescriptorPool(limit: 3)
      let files = try (0..<40).map { try OutputFile(creating: folder.path("f\($0)"), pool: pool) }
      #expect(pool.openCount <= 3)
      try Parallelism(threads: 4).forEachBand(4000) { band in
        try files[band % 40].write([UInt8(band / 40)], at: UInt64(band / 40))
        #expect(pool.openCount <= 3 + 4)
      }
      for (index, file) in files.enumerated() {
        try file.sync()
        #expect(RawFile.read(folder.path("f\(index)")) == (0..<100).map(UInt8.init))
      }
      #expect(throws: TensorIOError(.cannotCreate(errno: EEXIST), path: folder.path("f0"))) {
        try OutputFile(creating: folder.path("f0"), pool: pool)
      }
    }
  }

  @Test func anotherFileUnderTheNameIsNotRead() throws {
    try TemporaryFolder.with { folder in
      let pool = DescriptorPool(limit: 1)
      let first = try InputFile(path: folder.write([1, 2, 3], to: "a"), mode: .buffered, pool: pool)
      let other = folder.write([9, 9, 9], to: "b")
      let second = try InputFile(path: other, mode: .buffered, pool: pool)
      #expect(try second.bytes(0..<3) == [9, 9, 9])
      // A new file takes the name while the first has no descriptor.
      folder.write([4, 5, 6], to: "new")
      #expect(rename(folder.path("new"), folder.path("a")) == 0)
      let error = #expect(throws: TensorIOError.self) { try first.bytes(0..<3) }
      #expect(error?.kind == .changedWhileRead(detail: "its name leads to another file now"))
      #expect(error?.category == .inputOutput)
      #expect(unlink(folder.path("a")) == 0)
      let gone = #expect(throws: TensorIOError.self) { try first.bytes(0..<3) }
      #expect(gone?.kind == .changedWhileRead(detail: "nothing has its name now"))
      _ = second
    }
  }
}
