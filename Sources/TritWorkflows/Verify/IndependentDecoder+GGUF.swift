// Tritsmith: GGUF blocks decoded a second time, from the format descriptions.

import TritCore
import TritModel

/// Everything here is division and remainder on the published formulas: no tables, shifts or code of the layouts.
extension IndependentDecoder {
  /// Trits of rows of a GGUF tensor, in Hugging Face's row order; nil for a layout that is not one of GGUF's.
  static func ggufTrits(
    _ rows: Range<Int>, of tensor: TensorDescriptor, in source: any TensorSource
  ) throws -> [Int8]? {
    // The file itself is read, not the view: the order of rows is worked out here once more.
    let view = source as? GGUFModelView
    let base = view?.base ?? source
    let stored = view?.stored(tensor) ?? tensor
    guard case .ternary(let layout) = stored.encoding else { return nil }
    let pairs = view.flatMap { rotatedHeadRows($0, stored) }
    let columns = stored.shape.columns
    var result: [Int8] = []
    result.reserveCapacity(rows.count * columns)
    for row in rows {
      var place = row
      if let size = pairs {
        // Row p·D/2 + i of a head of D rows stands at 2i + p.
        let (head, inside) = (row / size, row % size)
        place = head * size + inside % (size / 2) * 2 + inside / (size / 2)
      }
      switch layout.rawValue {
      case "TQ2_0": result += try tq2(place, stored, base)
      case "TQ1_0": result += try tq1(place, stored, base)
      case "I2_S-group128": result += try i2s(place, stored, base, run: 128)
      case "I2_S-group64": result += try i2s(place, stored, base, run: 64)
      case "I2_S-rows4": result += try fourRows(place, stored, base)
      case "IQ1_BN": result += try iq1(place, stored, base)
      case "IQ2_BN": result += try iq2(place, stored, base)
      case "IQ2_BN_R4": result += try iq2r4(place, stored, base)
      default: return nil
      }
    }
    return result
  }

  /// Rows of a head, for query and key weights of architecture `llama`; nil for tensors stored in order.
  private static func rotatedHeadRows(_ view: GGUFModelView, _ stored: TensorDescriptor) -> Int? {
    let manifest = view.base.manifest
    guard manifest.entry("general.architecture")?.string == "llama" else { return nil }
    let heads: Int?
    if stored.name.hasSuffix(".attn_q.weight") {
      heads = manifest.entry("llama.attention.head_count")?.integer
    } else if stored.name.hasSuffix(".attn_k.weight") {
      heads =
        manifest.entry("llama.attention.head_count_kv")?.integer
        ?? manifest.entry("llama.attention.head_count")?.integer
    } else {
      return nil
    }
    return heads.map { stored.shape.rows / max(1, $0) }
  }

  private static func bytes(
    _ range: Range<Int>, _ tensor: TensorDescriptor, _ source: any TensorSource
  ) throws -> [Int] {
    try source.withBytes(range, of: tensor) { span in
      (0..<span.byteCount).map { Int(span.unsafeLoad(fromByteOffset: $0, as: UInt8.self)) }
    }
  }

  private static func trit(_ code: Int) -> Int8 { code == 3 ? invalid : Int8(code) - 1 }

  /// True when all bytes of a scale but its sign are 0.
  private static func isZero(_ scale: ArraySlice<Int>) -> Bool {
    scale.dropLast().allSatisfy { $0 == 0 } && (scale.last ?? 0) % 128 == 0
  }

  /// Digits of a base-3 byte, most significant first: byte = ⌈256·v / 243⌉, so v = ⌊byte·243 / 256⌋.
  private static func digits(_ byte: Int) -> [Int] {
    let value = byte * 243 / 256
    return [value / 81, value / 27 % 3, value / 9 % 3, value / 3 % 3, value % 3]
  }

  private static func tq2(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let blocks = tensor.shape.columns / 256
    let data = try bytes(row * blocks * 66..<(row + 1) * blocks * 66, tensor, source)
    return (0..<tensor.shape.columns).map { column in
      let block = column / 256 * 66
      if isZero(data[block + 64..<block + 66]) { return 0 }
      let inside = column % 256
      let place = [1, 4, 16, 64][inside % 128 / 32]
      return trit(data[block + inside / 128 * 32 + inside % 32] / place % 4)
    }
  }

  private static func tq1(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let blocks = tensor.shape.columns / 256
    let data = try bytes(row * blocks * 54..<(row + 1) * blocks * 54, tensor, source)
    return (0..<tensor.shape.columns).map { column in
      let block = column / 256 * 54
      if isZero(data[block + 52..<block + 54]) { return 0 }
      let inside = column % 256
      let (byte, digit): (Int, Int)
      switch inside {
      case ..<160: (byte, digit) = (inside % 32, inside / 32)
      case ..<240: (byte, digit) = (32 + (inside - 160) % 16, (inside - 160) / 16)
      default: (byte, digit) = (48 + (inside - 240) % 4, (inside - 240) / 4)
      }
      return Int8(digits(data[block + byte])[digit]) - 1
    }
  }

  private static func i2s(
    _ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource, run: Int
  ) throws -> [Int8] {
    let columns = tensor.shape.columns
    let first = row * columns / run
    let last = ((row + 1) * columns - 1) / run
    let data = try bytes(first * run / 4..<(last + 1) * run / 4, tensor, source)
    return (0..<columns).map { column in
      let element = row * columns + column
      let byte = data[(element / run - first) * run / 4 + element % (run / 4)]
      return trit(byte / [64, 16, 4, 1][element % run / (run / 4)] % 4)
    }
  }

  private static func fourRows(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let columns = tensor.shape.columns
    let data = try bytes(row / 4 * columns..<(row / 4 + 1) * columns, tensor, source)
    return data.map { trit($0 / [64, 16, 4, 1][row % 4] % 4) }
  }

  private static func iq2(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let length = 4 + tensor.shape.columns / 4
    let data = try bytes(row * length..<(row + 1) * length, tensor, source)
    if isZero(data[0..<4]) { return [Int8](repeating: 0, count: tensor.shape.columns) }
    return (0..<tensor.shape.columns).map { column in
      trit(data[4 + column / 64 * 16 + column % 16] / [1, 4, 16, 64][column % 64 / 16] % 4)
    }
  }

  private static func iq2r4(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let length = 16 + tensor.shape.columns
    let data = try bytes(row / 4 * length..<(row / 4 + 1) * length, tensor, source)
    let k = row % 4
    if isZero(data[4 * k..<4 * k + 4]) { return [Int8](repeating: 0, count: tensor.shape.columns) }
    return (0..<tensor.shape.columns).map { column in
      let byte = data[16 + column / 64 * 64 + column % 64 / 16 * 16 + 4 * k + column % 4]
      return trit(byte / [1, 4, 16, 64][column % 16 / 4] % 4)
    }
  }

  private static func iq1(_ row: Int, _ tensor: TensorDescriptor, _ source: any TensorSource) throws -> [Int8] {
    let length = 2 + tensor.shape.columns / 64 * 13
    let data = try bytes(row * length..<(row + 1) * length, tensor, source)
    if isZero(data[0..<2]) { return [Int8](repeating: 0, count: tensor.shape.columns) }
    return (0..<tensor.shape.columns).map { column in
      let (block, part, inside) = (column / 64, column % 64 / 16, column % 16)
      let start = 2 + 13 * block
      // First column least significant; the sixteenth columns of the four parts share byte 12.
      let digit =
        inside == 15 ? digits(data[start + 12])[4 - part] : digits(data[start + 3 * part + inside / 5])[4 - inside % 5]
      return Int8(digit) - 1
    }
  }
}
