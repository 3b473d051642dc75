// Tritsmith: GGUF blocks decoded a second time, from the format descriptions.

import TritCore
import TritModel

/// Everything here is division and remainder on the published formulas: no shifts, tables or code of the layouts. What
/// a byte can hold is divided out once for all 256 bytes, so that an audit does not spend its time dividing.
extension IndependentDecoder {
  /// Trits of rows of a GGUF tensor, in Hugging Face's row order; nil for a layout that is not one of GGUF's.
  static func ggufTrits(
    _ rows: Range<Int>, of tensor: TensorDescriptor, in source: any TensorSource
  ) throws -> [Int8]? {
    // The file itself is read, not the view: the order of rows is worked out here once more.
    let view = source as? GGUFModelView
    let base = view?.base ?? source
    let stored = view?.stored(tensor) ?? tensor
    guard case .ternary(let id) = stored.encoding, let layout = GGUFBlocks(id.rawValue, stored.shape) else {
      return nil
    }
    let headRows = view.flatMap { rotatedHeadRows($0, stored) }
    let heads = view.flatMap { ValueHeads($0, stored) }
    let columns = stored.shape.columns
    var result = [Int8](repeating: 0, count: rows.count * columns)
    if headRows == nil, heads == nil, !rows.isEmpty {
      // In the file's own order: all of them at once.
      let whole = layout.bytes(ofRow: rows.lowerBound).lowerBound..<layout.bytes(ofRow: rows.upperBound - 1).upperBound
      try base.withBytes(whole, of: stored) { bytes in
        var output = result.mutableSpan
        for row in rows {
          let own = layout.bytes(ofRow: row)
          let piece = bytes.extracting(own.lowerBound - whole.lowerBound..<own.upperBound - whole.lowerBound)
          layout.decode(piece, row: row, into: &output, at: (row - rows.lowerBound) * columns)
        }
      }
      return result
    }
    for row in rows {
      let storedRow = storedRow(row, headRows: headRows, heads)
      try base.withBytes(layout.bytes(ofRow: storedRow), of: stored) { bytes in
        var output = result.mutableSpan
        layout.decode(bytes, row: storedRow, into: &output, at: (row - rows.lowerBound) * columns)
      }
      if let heads, heads.areColumns {
        let start = (row - rows.lowerBound) * columns
        let stored = Array(result[start..<start + columns])
        for column in 0..<columns { result[start + column] = stored[heads.place(of: column)] }
      }
    }
    return result
  }

  /// Where the file has a row of the view.
  private static func storedRow(_ row: Int, headRows: Int?, _ heads: ValueHeads?) -> Int {
    if let heads, !heads.areColumns { return heads.place(of: row) }
    guard let headRows else { return row }
    // Row p·D/2 + i of a head of D rows stands at 2i + p.
    let (head, inside) = (row / headRows, row % headRows)
    return head * headRows + inside % (headRows / 2) * 2 + inside / (headRows / 2)
  }

  /// Rows or columns of family `qwen35` that belong to value heads, which take turns in a file.
  private struct ValueHeads {
    var groups: Int
    var turns: Int
    /// Rows or columns of a head, and those in front of the heads.
    var width: Int
    var first: Int
    var areColumns: Bool

    /// Nil for tensors stored in order.
    init?(_ view: GGUFModelView, _ stored: TensorDescriptor) {
      let manifest = view.base.manifest
      guard manifest.entry("general.architecture")?.string == "qwen35",
        let groups = manifest.entry("qwen35.ssm.group_count")?.integer,
        let heads = manifest.entry("qwen35.ssm.time_step_rank")?.integer,
        let state = manifest.entry("qwen35.ssm.state_size")?.integer, groups > 0, heads > groups
      else { return nil }
      (self.groups, turns, first, areColumns) = (groups, heads / groups, 0, false)
      switch stored.name.split(separator: ".").dropFirst(2).first {
      case "attn_qkv":
        first = 2 * groups * state
        width = state
      case "attn_gate": width = state
      case "ssm_alpha", "ssm_beta": width = 1
      case "ssm_out":
        // Rotated columns stand as they are rotated.
        let names = manifest.entry("prism.hadamard.weight_names")?.strings ?? []
        guard !names.contains(stored.name) else { return nil }
        width = state
        areColumns = true
      default: return nil
      }
    }

    /// Head g·T + t of Hugging Face stands at t·G + g.
    func place(of index: Int) -> Int {
      guard index >= first else { return index }
      let head = (index - first) / width
      return first + (head % turns * groups + head / turns) * width + (index - first) % width
    }
  }

  /// Rows of a head, for query and key weights of `llama` and `minicpm`; nil for tensors stored in order.
  private static func rotatedHeadRows(_ view: GGUFModelView, _ stored: TensorDescriptor) -> Int? {
    let manifest = view.base.manifest
    guard let family = manifest.entry("general.architecture")?.string, ["llama", "minicpm"].contains(family) else {
      return nil
    }
    // Files may give the number layer by layer.
    func count(_ key: String) -> Int? {
      let value = manifest.entry("\(family).attention.\(key)")
      return value?.integer ?? value?.commonInteger
    }
    let heads: Int?
    if stored.name.hasSuffix(".attn_q.weight") {
      heads = count("head_count")
    } else if stored.name.hasSuffix(".attn_k.weight") {
      heads = count("head_count_kv") ?? count("head_count")
    } else {
      return nil
    }
    return heads.map { stored.shape.rows / max(1, $0) }
  }
}

/// Where the rows of one tensor stand and what their bytes mean.
private struct GGUFBlocks {
  private enum Kind {
    case tq1, tq2, iq1, iq2, iq2r4, fourRows, ptq1
    case runs(Int)
    /// Weights of a block.
    case quads(Int)
  }

  private let kind: Kind
  private let columns: Int

  init?(_ layout: String, _ shape: TensorShape) {
    columns = shape.columns
    switch layout {
    case "TQ1_0": kind = .tq1
    case "TQ2_0": kind = .tq2
    case "Q2_0": kind = .quads(64)
    case "PQ2_0": kind = .quads(128)
    case "PTQ1_0": kind = .ptq1
    case "I2_S-group128": kind = .runs(128)
    case "I2_S-group64": kind = .runs(64)
    case "I2_S-rows4": kind = .fourRows
    case "IQ1_BN": kind = .iq1
    case "IQ2_BN": kind = .iq2
    case "IQ2_BN_R4": kind = .iq2r4
    default: return nil
    }
  }

  func bytes(ofRow row: Int) -> Range<Int> {
    func piece(_ index: Int, of length: Int) -> Range<Int> { index * length..<(index + 1) * length }
    switch kind {
    case .tq1: return piece(row, of: columns / 256 * 54)
    case .tq2: return piece(row, of: columns / 256 * 66)
    case .quads(let size): return piece(row, of: columns / size * (2 + size / 4))
    case .ptq1: return piece(row, of: columns / 128 * 28)
    case .runs(let run):
      let first = row * columns / run
      let last = ((row + 1) * columns - 1) / run
      return first * run / 4..<(last + 1) * run / 4
    case .fourRows: return piece(row / 4, of: columns)
    case .iq1: return piece(row, of: 2 + columns / 64 * 13)
    case .iq2: return piece(row, of: 4 + columns / 4)
    case .iq2r4: return piece(row / 4, of: 16 + columns)
    }
  }

  func decode(_ bytes: RawSpan, row: Int, into output: inout MutableSpan<Int8>, at start: Int) {
    precondition(start + columns <= output.count && bytes.byteCount == self.bytes(ofRow: row).count)
    let reader = GGUFRowReader(start: start, columns: columns)
    switch kind {
    case .tq1: reader.tq1(bytes, &output)
    case .tq2: reader.tq2(bytes, &output)
    case .quads(let size): reader.quads(bytes, of: size, &output)
    case .ptq1: reader.ptq1(bytes, &output)
    case .runs(let run): reader.runs(bytes, of: run, from: row * columns % run, &output)
    case .fourRows: reader.fourRows(bytes, row % 4, &output)
    case .iq1: reader.iq1(bytes, &output)
    case .iq2: reader.iq2(bytes, &output)
    case .iq2r4: reader.iq2r4(bytes, row % 4, &output)
    }
  }
}

/// What a byte holds, place by place: 256 trits each.
private enum GGUFDigits {
  /// Four codes in base 4, least significant first; code = trit + 1.
  static let quads: [[Int8]] = [1, 4, 16, 64].map { place in
    (0..<256).map { $0 / place % 4 == 3 ? IndependentDecoder.invalid : Int8($0 / place % 4) - 1 }
  }
  static let reversedQuads = Array(quads.reversed())
  /// Five digits in base 3, most significant first: byte = ⌈256·v / 243⌉, so v = ⌊byte·243 / 256⌋.
  static let fives: [[Int8]] = [81, 27, 9, 3, 1].map { place in (0..<256).map { Int8($0 * 243 / 256 / place % 3) - 1 } }
  /// Without the least significant one.
  static let fours = Array(fives[..<4])
  /// The four places of a byte as the bytes of a number, least significant first, as they lie in memory.
  static let joinedQuads: [UInt32] = (0..<256).map { byte in
    quads.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(UInt8(bitPattern: $1[byte])) }.littleEndian
  }
  /// As `fives`, but only for bytes that are ⌈256·v / 243⌉ for some v of 0 to 242.
  static let strictFives = fives.map { place in
    (0..<256).map { isImage($0, of: $0 * 243 / 256) ? place[$0] : IndependentDecoder.invalid }
  }
  /// As `fours`, but only for bytes of a v whose least significant digit is 0.
  static let strictFours = fours.map { place in
    (0..<256).map { byte in
      let value = byte * 243 / 256
      return isImage(byte, of: value) && value % 3 == 0 ? place[byte] : IndependentDecoder.invalid
    }
  }

  private static func isImage(_ byte: Int, of value: Int) -> Bool {
    let scaled = 256 * value
    return byte == scaled / 243 + (scaled % 243 > 0 ? 1 : 0)
  }
}

/// Decodes one row.
private struct GGUFRowReader {
  /// Of the row in the output.
  let start: Int
  let columns: Int

  /// Bytes that lie at the same place of every block, and the columns they go to.
  struct Part {
    var first: Int
    var count: Int
    var blockBytes: Int
    var column: Int
    /// Between the columns of two places of a byte.
    var step: Int
    var blockColumns: Int
    var blocks: Int
  }

  /// Puts place n of byte i of block b at `column + b·blockColumns + n·step + i`.
  func spread(_ bytes: RawSpan, _ part: Part, _ places: [[Int8]], _ output: inout MutableSpan<Int8>) {
    guard part.blocks > 0, part.count > 0 else { return }
    precondition(part.first + (part.blocks - 1) * part.blockBytes + part.count <= bytes.byteCount)
    precondition(
      part.column + (part.blocks - 1) * part.blockColumns + (places.count - 1) * part.step + part.count <= columns)
    for (n, place) in places.enumerated() {
      let table = place.span
      precondition(table.count == 256)
      for block in 0..<part.blocks {
        let input = part.first &+ block &* part.blockBytes
        let first = start &+ part.column &+ block &* part.blockColumns &+ n &* part.step
        for index in 0..<part.count {
          let byte = bytes.unsafeLoad(fromUncheckedByteOffset: input &+ index, as: UInt8.self)
          output[unchecked: first &+ index] = table[unchecked: Int(byte)]
        }
      }
    }
  }

  /// ik_llama.cpp stores a row of zeros as a scale of 0, but for its sign, over codes that all say +1.
  private func clearZeros(_ bytes: RawSpan, _ place: Int, _ width: Int, _ output: inout MutableSpan<Int8>) {
    func byte(_ index: Int) -> UInt8 { bytes.unsafeLoad(fromByteOffset: place + index, as: UInt8.self) }
    guard (0..<width - 1).allSatisfy({ byte($0) == 0 }), byte(width - 1) % 128 == 0 else { return }
    for column in 0..<columns where output[start + column] != 1 { return }
    for column in 0..<columns { output[start + column] = 0 }
  }

  func tq2(_ bytes: RawSpan, _ output: inout MutableSpan<Int8>) {
    for half in 0..<2 {
      let part = Part(
        first: 32 * half, count: 32, blockBytes: 66, column: 128 * half, step: 32, blockColumns: 256,
        blocks: columns / 256)
      spread(bytes, part, GGUFDigits.quads, &output)
    }
  }

  /// Blocks of `size` weights: the scale, then four consecutive weights a byte.
  func quads(_ bytes: RawSpan, of size: Int, _ output: inout MutableSpan<Int8>) {
    let length = 2 + size / 4
    let table = GGUFDigits.joinedQuads.span
    precondition(columns % size == 0 && columns / size * length <= bytes.byteCount && table.count == 256)
    precondition(start >= 0 && start + columns <= output.count)
    output.withUnsafeMutableBytes { output in
      for block in 0..<columns / size {
        for index in 0..<size / 4 {
          let byte = bytes.unsafeLoad(fromUncheckedByteOffset: block &* length &+ 2 &+ index, as: UInt8.self)
          let first = start &+ block &* size &+ 4 &* index
          output.storeBytes(of: table[unchecked: Int(byte)], toByteOffset: first, as: UInt32.self)
        }
      }
    }
  }

  func ptq1(_ bytes: RawSpan, _ output: inout MutableSpan<Int8>) {
    for (first, count, column, places) in [
      (0, 16, 0, GGUFDigits.strictFives), (16, 8, 80, GGUFDigits.strictFives), (24, 2, 120, GGUFDigits.strictFours),
    ] {
      let part = Part(
        first: first, count: count, blockBytes: 28, column: column, step: count, blockColumns: 128,
        blocks: columns / 128)
      spread(bytes, part, places, &output)
    }
  }

  func tq1(_ bytes: RawSpan, _ output: inout MutableSpan<Int8>) {
    // The last four bytes have four digits, the least significant of five unused.
    for (first, count, column, places) in [
      (0, 32, 0, GGUFDigits.fives), (32, 16, 160, GGUFDigits.fives), (48, 4, 240, GGUFDigits.fours),
    ] {
      let part = Part(
        first: first, count: count, blockBytes: 54, column: column, step: count, blockColumns: 256,
        blocks: columns / 256)
      spread(bytes, part, places, &output)
    }
  }

  /// Runs of the flattened matrix, highest place first; `before` weights of the first run belong to other rows.
  func runs(_ bytes: RawSpan, of run: Int, from before: Int, _ output: inout MutableSpan<Int8>) {
    let size = run / 4
    if before == 0, columns % run == 0 {
      let part = Part(
        first: 0, count: size, blockBytes: size, column: 0, step: size, blockColumns: run, blocks: columns / run)
      return spread(bytes, part, GGUFDigits.reversedQuads, &output)
    }
    for column in 0..<columns {
      let (index, inside) = (before + column).quotientAndRemainder(dividingBy: run)
      let byte = bytes.unsafeLoad(fromByteOffset: index * size + inside % size, as: UInt8.self)
      output[start + column] = GGUFDigits.reversedQuads[inside / size][Int(byte)]
    }
  }

  /// Four rows in a byte, the first in the highest place.
  func fourRows(_ bytes: RawSpan, _ place: Int, _ output: inout MutableSpan<Int8>) {
    let part = Part(
      first: 0, count: columns, blockBytes: columns, column: 0, step: 0, blockColumns: columns, blocks: 1)
    spread(bytes, part, [GGUFDigits.reversedQuads[place]], &output)
  }

  func iq2(_ bytes: RawSpan, _ output: inout MutableSpan<Int8>) {
    let part = Part(
      first: 4, count: 16, blockBytes: 16, column: 0, step: 16, blockColumns: 64, blocks: columns / 64)
    spread(bytes, part, GGUFDigits.quads, &output)
    clearZeros(bytes, 0, 4, &output)
  }

  func iq2r4(_ bytes: RawSpan, _ k: Int, _ output: inout MutableSpan<Int8>) {
    let part = Part(
      first: 16 + 4 * k, count: 4, blockBytes: 16, column: 0, step: 4, blockColumns: 16, blocks: columns / 16)
    spread(bytes, part, GGUFDigits.quads, &output)
    clearZeros(bytes, 4 * k, 4, &output)
  }

  func iq1(_ bytes: RawSpan, _ output: inout MutableSpan<Int8>) {
    for column in 0..<columns {
      let (block, part, inside) = (column / 64, column % 64 / 16, column % 16)
      let first = 2 + 13 * block
      // First column least significant; the sixteenth columns of the four parts share byte 12.
      let (place, digit) = inside == 15 ? (first + 12, 4 - part) : (first + 3 * part + inside / 5, 4 - inside % 5)
      output[start + column] = GGUFDigits.fives[digit][Int(bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self))]
    }
    clearZeros(bytes, 0, 2, &output)
  }
}
