// Tritsmith: blocks of a row that carry their own scale.

import TritCore
import TritKernels

/// How a row is cut: columns and bytes of a block, and where its codes and its f16 scale stand.
package struct BlockGeometry: Sendable, Hashable {
  package let columns: Int
  package let bytes: Int
  /// Of the codes, in a block.
  package let codes: Range<Int>
  /// Offset of the scale in a block.
  package let scale: Int
}

/// A layout whose rows are blocks with an f16 scale in each. It states its geometry once; sizes and places follow.
protocol ScaledBlockLayout: RowBlockLayout {
  var geometry: BlockGeometry { get }
}

extension ScaledBlockLayout {
  package var blockGeometry: BlockGeometry? { geometry }

  package var scalePlacement: ScalePlacement {
    .among(storage: .f16, granularity: .group(columns: geometry.columns))
  }

  var blockColumns: Int { geometry.columns }

  func rowBytes(_ columns: Int) -> Int { columns / geometry.columns * geometry.bytes }

  package func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { index * geometry.bytes + geometry.scale }

  /// Gives `body` every block of a run: its first byte and its first column.
  @inline(__always)
  func forEachBlock(
    _ bytes: RawSpan, _ rows: Int, _ columns: Int, into trits: inout MutableSpan<Int8>, at start: Int,
    _ body: (_ byte: Int, _ column: Int, _ trits: inout MutableSpan<Int8>) -> Void
  ) {
    let geometry = geometry
    precondition(start >= 0 && start + rows * columns <= trits.count, "output inside the buffer")
    precondition(bytes.byteCount >= rows * (columns / geometry.columns) * geometry.bytes, "every block is there")
    for block in 0..<rows * (columns / geometry.columns) {
      body(block * geometry.bytes, start + block * geometry.columns, &trits)
    }
  }
}

/// The base-3 code of TQ1_0 and PTQ1_0: five trits a byte where they fit, four in the last bytes of a block.
///
/// A block of 256 (or 128) columns has runs of 32, 16 and 4 (16, 8 and 2) bytes; byte m of a run of n bytes joins
/// columns m, m + n, m + 2n, … counted from the run's first column, most significant digit first. In the last run the
/// fifth digit is 0.
struct Base3Block {
  private struct Part {
    var bytes: Range<Int>
    var firstColumn: Int
    var digits: Int
  }

  let columns: Int

  /// Gives `body` the three runs. No list of them: for a known number of columns all of this becomes constants.
  @inline(__always)
  private func forEachPart(_ body: (Part) -> Void) {
    let (long, short, last) = (columns / 8, columns / 16, columns / 64)
    body(Part(bytes: 0..<long, firstColumn: 0, digits: 5))
    body(Part(bytes: long..<long + short, firstColumn: 5 * long, digits: 5))
    body(Part(bytes: long + short..<long + short + last, firstColumn: 5 * (long + short), digits: 4))
  }

  /// Codes of a block, whose first trit is at `first`, put at `start`.
  @inline(__always)
  func pack(_ trits: Span<Int8>, at first: Int, into bytes: inout MutableSpan<UInt8>, at start: Int) {
    let scaled = ScaledBase3.bytes
    let table = scaled.span
    forEachPart { part in
      let count = part.bytes.count
      for index in 0..<count {
        var value = 0
        var column = first &+ part.firstColumn &+ index
        for _ in 0..<part.digits {
          value = value &* 3 &+ Int(trits[unchecked: column]) &+ 1
          column &+= count
        }
        // A fifth digit of 0 stands in for the one the last part has not.
        if part.digits == 4 { value = value &* 3 }
        bytes[unchecked: start &+ part.bytes.lowerBound &+ index] = table[value]
      }
    }
  }

  /// Trits of a block whose codes begin at `start`, put at `first`; the caller has made sure that there is room.
  @inline(__always)
  func unpack(_ bytes: RawSpan, at start: Int, into trits: inout MutableSpan<Int8>, at first: Int) {
    bytes.withUnsafeBytes { bytes in
      trits.withUnsafeMutableBytes { trits in
        guard let codes = bytes.baseAddress, let output = trits.baseAddress else { return }
        forEachPart { part in
          let count = part.bytes.count
          let input = codes + start + part.bytes.lowerBound
          let column = output + first + part.firstColumn
          // A digit of eight bytes at once, and by name: compilers do not know that input and output are apart.
          for index in stride(from: 0, to: count - 7, by: 8) {
            var rest = input.loadUnaligned(fromByteOffset: index, as: SIMD8<UInt8>.self)
            for digit in 0..<part.digits {
              let trits = ScaledBase3.firstTrits(rest)
              column.storeBytes(of: trits, toByteOffset: digit * count + index, as: SIMD8<Int8>.self)
              rest = rest &+ rest &+ rest
            }
          }
          for index in count / 8 * 8..<count {
            let byte = input.load(fromByteOffset: index, as: UInt8.self)
            var place: UInt8 = 1
            for digit in 0..<part.digits {
              column.storeBytes(of: ScaledBase3.trit(byte, place), toByteOffset: digit * count + index, as: Int8.self)
              place &*= 3
            }
          }
        }
      }
    }
  }

  /// Bytes of a block, whose codes begin at `start`, that no digits map to.
  @inline(__always)
  func others(_ bytes: RawSpan, at start: Int) -> Int {
    var count = 0
    forEachPart { part in
      for index in part.bytes {
        let byte = bytes.unsafeLoad(fromUncheckedByteOffset: start &+ index, as: UInt8.self)
        if !ScaledBase3.isUsed(byte, digits: part.digits) { count &+= 1 }
      }
    }
    return count
  }
}

/// A layout of blocks in that code.
protocol ScaledBase3Layout: ScaledBlockLayout {
  /// Whether a byte that no digits map to is an invalid code.
  var countsOtherBytes: Bool { get }
}

extension ScaledBase3Layout {
  package func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let digits = Base3Block(columns: geometry.columns)
    for block in 0..<band.rowCount * (shape.columns / geometry.columns) {
      digits.pack(trits, at: block * geometry.columns, into: &bytes, at: block * geometry.bytes)
    }
  }

  package func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let digits = Base3Block(columns: geometry.columns)
    var others = 0
    forEachBlock(bytes, run.rows.count, shape.columns, into: &trits, at: start) { byte, column, trits in
      digits.unpack(bytes, at: byte, into: &trits, at: column)
      if countsOtherBytes { others += digits.others(bytes, at: byte) }
    }
    return others
  }
}
