// Tritsmith: TQ1_0 of ggml.

import TritCore
import TritKernels

/// Blocks of 256 columns in 54 bytes: five trits a byte where they fit, then the block's scale as f16; 1.6875 bits.
///
///     bytes  0…31   byte m joins columns m, m+32, m+64, m+96, m+128
///     bytes 32…47   byte 32+m joins columns 160+m, 176+m, 192+m, 208+m, 224+m
///     bytes 48…51   byte 48+j joins columns 240+j, 244+j, 248+j, 252+j, and a fifth digit 0
///     bytes 52, 53  scale
///
/// First column most significant, as `ScaledBase3` stores it. Every byte decodes to trits, so no code is invalid. A
/// block whose scale is 0 holds zeros, whatever its codes are. Source: llama.cpp, `ggml-quants.c`.
public struct TQ1_0: RowBlockLayout {
  /// Its name.
  public static let id = LayoutID(rawValue: "TQ1_0")
  static let blockBytes = 54
  public init() {}

  public var id: LayoutID { TQ1_0.id }
  public var summary: String { "llama.cpp TQ1_0: blocks of 256 columns, five trits a byte, f16 scale in each" }
  public var ggmlType: UInt32? { 34 }
  public var scalePlacement: ScalePlacement { .among(storage: .f16, granularity: .group(columns: 256)) }

  var blockColumns: Int { 256 }
  func rowBytes(_ columns: Int) -> Int { columns / 256 * TQ1_0.blockBytes }

  public func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { index * TQ1_0.blockBytes + 52 }

  /// A run of bytes with the same distance between the columns a byte joins.
  private struct Part {
    var bytes: Range<Int>
    var firstColumn: Int
    var distance: Int
    var digits: Int
  }

  private static let parts = [
    Part(bytes: 0..<32, firstColumn: 0, distance: 32, digits: 5),
    Part(bytes: 32..<48, firstColumn: 160, distance: 16, digits: 5),
    Part(bytes: 48..<52, firstColumn: 240, distance: 4, digits: 4),
  ]

  public func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    let scaled = ScaledBase3.bytes
    let table = scaled.span
    let parts = TQ1_0.parts
    for block in 0..<band.rowCount * shape.columns / 256 {
      for part in parts {
        for index in 0..<part.bytes.count {
          var value = 0
          var column = 256 * block + part.firstColumn + index
          for _ in 0..<part.digits {
            value = value &* 3 &+ Int(trits[unchecked: column]) &+ 1
            column &+= part.distance
          }
          // A fifth digit of 0 stands in for the one the last part has not.
          if part.digits == 4 { value = value &* 3 }
          bytes[unchecked: TQ1_0.blockBytes * block + part.bytes.lowerBound + index] = table[value]
        }
      }
    }
  }

  public func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    let digits = ScaledBase3.trits
    let table = digits.span
    let parts = TQ1_0.parts
    precondition(start >= 0 && start + run.rows.count * shape.columns <= trits.count, "output inside the buffer")
    for block in 0..<run.rows.count * shape.columns / 256 {
      let first = start + 256 * block
      let input = TQ1_0.blockBytes * block
      if bytes.isZeroScale16(at: input + 52) {
        trits.clear(first..<first + 256)
        continue
      }
      for part in parts {
        for index in 0..<part.bytes.count {
          let byte = bytes.unsafeLoad(fromByteOffset: input + part.bytes.lowerBound + index, as: UInt8.self)
          var column = first + part.firstColumn + index
          for digit in 0..<part.digits {
            trits[unchecked: column] = table[unchecked: 5 &* Int(byte) &+ digit]
            column &+= part.distance
          }
        }
      }
    }
    return 0
  }
}
