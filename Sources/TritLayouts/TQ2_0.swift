// Tritsmith: TQ2_0 of ggml.

import TritCore
import TritKernels

/// Blocks of 256 columns in 66 bytes: 2 bits a trit, then the block's scale as f16; 2.0625 bits a weight.
///
///     byte 32·g + m = Σ code(128·g + 32·n + m) · 4^n     g = 0, 1   m = 0…31   n = 0…3   code = trit + 1
///     bytes 64, 65 = scale
///
/// A block whose scale is 0 holds zeros, whatever its codes are. Source: llama.cpp, `ggml-quants.c`.
public struct TQ2_0: RowBlockLayout {
  /// Its name.
  public static let id = LayoutID(rawValue: "TQ2_0")
  static let blockBytes = 66
  public init() {}

  public var id: LayoutID { TQ2_0.id }
  public var summary: String { "llama.cpp TQ2_0: blocks of 256 columns, 2 bits a trit, f16 scale in each" }
  public var ggmlType: UInt32? { 35 }
  public var scalePlacement: ScalePlacement { .among(storage: .f16, granularity: .group(columns: 256)) }

  var blockColumns: Int { 256 }
  func rowBytes(_ columns: Int) -> Int { columns / 256 * TQ2_0.blockBytes }

  public func scaleOffset(_ index: Int, _ shape: TensorShape) -> Int { index * TQ2_0.blockBytes + 64 }

  public func pack(
    _ trits: Span<Int8>, _ band: LayoutBand, _ shape: TensorShape, with kernels: any Kernels,
    into bytes: inout MutableSpan<UInt8>
  ) {
    for block in 0..<band.rowCount * shape.columns / 256 {
      for half in 0..<2 {
        let first = 256 * block + 128 * half
        let output = TQ2_0.blockBytes * block + 32 * half
        kernels.packFour(
          [first, first + 32, first + 64, first + 96], from: trits, into: &bytes, output..<output + 32)
      }
    }
  }

  public func unpack(
    _ bytes: RawSpan, _ run: RowRun, _ shape: TensorShape, with kernels: any Kernels,
    into trits: inout MutableSpan<Int8>, at start: Int
  ) -> Int {
    var invalid = 0
    for block in 0..<run.rows.count * shape.columns / 256 {
      let first = start + 256 * block
      let input = TQ2_0.blockBytes * block
      if bytes.isZeroScale16(at: input + 64) {
        trits.clear(first..<first + 256)
        continue
      }
      for half in 0..<2 {
        let codes = bytes.extracting(input + 32 * half..<input + 32 * half + 32)
        for plane in 0..<4 {
          invalid += kernels.unpackFour(codes, plane: plane, into: &trits, at: first + 128 * half + 32 * plane)
        }
      }
    }
    return invalid
  }
}

extension RawSpan {
  /// True when the f16 at an offset is +0 or −0.
  func isZeroScale16(at offset: Int) -> Bool {
    unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self) & UInt16(0x7FFF).littleEndian == 0
  }

  /// True when the f32 at an offset is +0 or −0.
  func isZeroScale32(at offset: Int) -> Bool {
    unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self) & UInt32(0x7FFF_FFFF).littleEndian == 0
  }
}
