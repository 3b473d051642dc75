// Tritsmith: layouts used on whole matrices, and a second decoder.

import Testing
import TritCore
import TritKernels
import TritLayouts
import TritTestSupport

/// A layout of the registry under its name.
struct RegisteredLayout: Sendable, CustomTestStringConvertible {
  var layout: any TernaryLayout
  var testDescription: String { layout.id.rawValue }

  /// Layouts that hold trits alone and fit any shape; those with scales among the codes are looped over in
  /// `GGUFLayoutPropertyTests`.
  static let all = LayoutRegistry.all.filter { $0.embeddedScale == nil }.map(RegisteredLayout.init)
}

let allKernels: [any Kernels] = [ScalarKernels()] + [NativeKernels()].compactMap { $0 }

func shape(_ rows: Int, _ columns: Int) -> TensorShape {
  guard let shape = TensorShape(rows: rows, columns: columns) else { preconditionFailure("\(rows) × \(columns)") }
  return shape
}

extension TernaryLayout {
  /// The bytes of a whole matrix, packed band by band.
  func packed(
    _ trits: [Int8], _ shape: TensorShape, rowsPerBand: Int, with kernels: any Kernels = ScalarKernels()
  ) -> [UInt8] {
    // A value that no correct code leaves behind in all places, so that a byte nobody wrote shows.
    var result = [UInt8](repeating: 0xEE, count: byteCount(shape))
    for band in bands(shape, rowsPerBand: rowsPerBand) {
      let stacked = band.rows.flatMap { Array(trits[$0.lowerBound * shape.columns..<$0.upperBound * shape.columns]) }
      var bytes = [UInt8](repeating: 0, count: band.bytes.count)
      var span = bytes.mutableSpan
      pack(stacked.span, band, shape, with: kernels, into: &span)
      result.replaceSubrange(band.bytes, with: bytes)
    }
    return result
  }

  /// Trits of a range of rows, run by run.
  func unpacked(
    _ bytes: [UInt8], _ rows: Range<Int>, _ shape: TensorShape, with kernels: any Kernels = ScalarKernels()
  ) -> (trits: [Int8], invalid: Int) {
    var trits: [Int8] = []
    var invalid = 0
    for run in runs(rows, shape) {
      var part = [Int8](repeating: 99, count: run.rows.count * shape.columns)
      var span = part.mutableSpan
      invalid += unpack(bytes.span.bytes.extracting(run.bytes), run, shape, with: kernels, into: &span)
      trits += part
    }
    return (trits, invalid)
  }
}

/// A decoder written from the published formulas, one trit at a time, sharing no code with the layouts.
enum NaiveDecoder {
  /// code(row, column) + 1, or nil where the layout is not one of ours.
  static func code(_ id: LayoutID, _ bytes: [UInt8], _ row: Int, _ column: Int, _ shape: TensorShape) -> Int? {
    let columns = shape.columns
    switch id.rawValue {
    case "hf-packed":
      // transformers pack_weights: byte p holds rows p, p + P, p + 2P, p + 3P from the lowest bits up, P = rows / 4.
      let quarter = shape.rows / 4
      let byte = Int(bytes[row % quarter * columns + column])
      return byte / power(4, row / quarter) % 4
    case "two-bit":
      // Four parts of ⌈columns / 4⌉ columns.
      let length = (columns + 3) / 4
      return Int(bytes[row * length + column % length]) / power(4, column / length) % 4
    case "base3":
      // Five parts of ⌈columns / 5⌉ columns.
      let length = (columns + 4) / 5
      return Int(bytes[row * length + column % length]) / power(3, column / length) % 3
    case "mlx-2bit":
      // Four consecutive columns a byte, lowest bits first.
      return Int(bytes[row * (columns / 4) + column / 4]) / power(4, column % 4) % 4
    default: return nil
    }
  }

  static func trits(_ id: LayoutID, _ bytes: [UInt8], _ shape: TensorShape) -> [Int8]? {
    var result: [Int8] = []
    for row in 0..<shape.rows {
      for column in 0..<shape.columns {
        guard let code = code(id, bytes, row, column, shape) else { return nil }
        result.append(Int8(code - 1))
      }
    }
    return result
  }

  private static func power(_ base: Int, _ exponent: Int) -> Int {
    (0..<exponent).reduce(1) { value, _ in value * base }
  }
}
