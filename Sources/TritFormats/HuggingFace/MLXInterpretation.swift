// Tritsmith: weights as MLX packs them.

import TritCore
import TritLayouts
import VisibleText

/// Names and kinds of weights MLX has quantized.
package enum MLXPacking {
  /// The scales' name for packed weights, `x.weight` → `x.scales`; nil for a name MLX gives to no weights.
  package static func scales(of weight: String) -> String? { stem(weight).map { $0 + ".scales" } }

  /// What is added to code × scale, `x.biases`.
  package static func biases(of weight: String) -> String? { stem(weight).map { $0 + ".biases" } }

  private static func stem(_ weight: String) -> Substring? {
    weight.hasSuffix(".weight") ? weight.dropLast(".weight".count) : nil
  }

  private static let prefix = "MLX "
  static let damage = ", damaged ternary"
  static let binary = " (binary)"

  /// Numbers of MLX that are no trits, by what they are.
  ///
  /// - Parameter end: what is said of them beside their form.
  static func encoding(_ form: MLXQuantization.Form, _ end: String = "") -> TensorEncoding {
    let kind = form.mode == MLXQuantization.Form.affine ? "\(form.bits)-bit" : form.shownMode
    return .opaque("\(prefix)\(kind) by \(form.groupSize)\(end)")
  }

  /// True for weights MLX has quantized to something else than trits, whether they are read or not.
  static func isNumbers(_ encoding: TensorEncoding) -> Bool {
    if case .opaque(let name) = encoding { name.hasPrefix(prefix) } else { false }
  }

  /// True for weights MLX has rounded: they are listed and not read.
  package static func isPlain(_ encoding: TensorEncoding) -> Bool { isNumbers(encoding) && !isBinary(encoding) }

  /// True for weights that were ternary before `mx.quantize` rounded them to 2 bits.
  package static func isDamaged(_ encoding: TensorEncoding) -> Bool {
    isNumbers(encoding) && encoding.name.hasSuffix(damage)
  }

  /// Why one of two tensors is not compared with the other; nil where neither is damaged.
  package static func damageReason(_ pair: [TensorDescriptor]) -> String? {
    pair.contains { isDamaged($0.encoding) }
      ? "one was ternary and mx.quantize damaged it: make it anew, 'tritsmith convert UNPACKED OUTPUT --to mlx'" : nil
  }

  /// True for weights of 1 bit that are +s and −s, which `MLXBinaryView` reads.
  package static func isBinary(_ encoding: TensorEncoding) -> Bool {
    isNumbers(encoding) && encoding.name.hasSuffix(binary)
  }

  /// True for weights that look like MLX's, of which no configuration says what they are.
  package static func isUnsaid(_ tensor: TensorDescriptor, _ manifest: ModelManifest) -> Bool {
    guard ForeignPacking.hasScales(tensor), let scales = scales(of: tensor.name), let biases = biases(of: tensor.name),
      let scale = manifest.tensor(named: scales), let bias = manifest.tensor(named: biases)
    else { return false }
    return scale.encoding.dtype?.isFloatWeight == true && scale.encoding == bias.encoding
      && scale.shape == bias.shape && tensor.encoding.name.hasPrefix(DType.u32.rawValue)
  }

  /// True for the scales or biases of such weights.
  package static func isPartOfUnsaid(_ name: String, _ manifest: ModelManifest) -> Bool {
    guard let end = [".scales", ".biases"].first(where: name.hasSuffix) else { return false }
    return manifest.tensor(named: String(name.dropLast(end.count)) + ".weight").map { isUnsaid($0, manifest) } ?? false
  }

  /// The beginning of the note on weights of few bits that are no trits, which goes on with the first of them.
  static let plainNote = " numbers of MLX and no trits, listed and not read: "

  /// Why weights are no trits, where a note of opening the model says it of these.
  package static func reason(of name: String, in notes: [String]) -> String? {
    let start = plainNote + "'\(printable(name))': "
    for note in notes { if let range = note.firstRange(ofText: start) { return String(note[range.upperBound...]) } }
    return nil
  }

  /// What numbers of MLX that are no trits are, for people: "MLX 4-bit by 64: numbers rounded to few bits".
  package static func meaning(_ encoding: TensorEncoding) -> String {
    encoding.name + ": numbers rounded to few bits"
  }

  /// What happened to damaged weights, and the way to right ones.
  package static let damageText =
    "ternary weights that mx.quantize damaged. Every scale is negative and its bias −2 times the scale: −s became −s/2, "
    + "which is another model. Make it anew from the unpacked model: 'tritsmith convert UNPACKED OUTPUT --to mlx'"
}

/// Turns words of 32 bits with scales and biases beside them into the matrices they stand for.
///
/// Ternary are those of 2 bits whose biases are −scale: then weight = (code − 1) × scale, exactly. Headers do not tell;
/// some groups of each tensor are read for it, and all of them with the scales.
struct MLXInterpretation {
  /// By the names of their weights.
  private(set) var weights: [ExactString: TensorDescriptor] = [:]
  /// Scales and biases, which are tensors of their own no more.
  private(set) var parts: Set<ExactString> = []
  private(set) var notes: [String] = []
  private(set) var finding: ScaleFinding?

  /// Groups of a tensor that are looked at.
  private static let sampled = 1024

  /// - Parameters:
  ///   - stored: tensors as the files name them.
  ///   - read: bytes of a tensor.
  /// - Throws: `FormatError` for packed weights whose parts or sizes do not fit.
  init(
    _ stored: [TensorDescriptor], _ quantization: MLXQuantization?, files: [ManifestFile],
    read: (TensorDescriptor, Range<Int>) throws -> [UInt8]
  ) throws {
    guard let quantization else { return }
    let byName = Dictionary(stored.map { (ExactString($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    var tally = Tally()
    for tensor in stored where tensor.encoding == .dense(.u32) {
      guard let scaleName = MLXPacking.scales(of: tensor.name), let scales = byName[ExactString(scaleName)] else {
        continue
      }
      let place = ErrorLocation(file: files[tensor.location.file].path, tensor: tensor.name)
      guard let form = try quantization.form(of: HFQuantization.module(of: tensor.name)) else {
        throw FormatError(.mlx(.excluded), location: place)
      }
      let biases = MLXPacking.biases(of: tensor.name).flatMap { byName[ExactString($0)] }
      parts.insert(ExactString(scaleName))
      weights[ExactString(tensor.name)] =
        form.mode == MLXQuantization.Form.affine && tensor.shape.isMatrix
        ? try affine(tensor, scales, biases, form, place, read, &tally)
        : unread(tensor, scales, biases, form, &tally)
    }
    notes += tally.notes
    if tally.ternary > 0 {
      finding = ScaleFinding(
        convention: .multiply,
        evidence: [
          ScaleEvidence(
            origin: .container, convention: .multiply, detail: "MLX multiplies: code × scale + bias with bias = −scale")
        ])
    }
  }

  /// Weights by what their numbers are.
  private struct Tally {
    var damaged: [String] = []
    var plain: [(name: String, why: String)] = []
    var ternary = 0

    var notes: [String] {
      var notes: [String] = []
      if let first = damaged.first {
        notes.append("\(damaged.count) weights, the first '\(printable(first))', are \(MLXPacking.damageText)")
      }
      if let first = plain.first {
        notes.append("\(plain.count) weights are\(MLXPacking.plainNote)'\(printable(first.name))': \(first.why)")
      }
      return notes
    }
  }

  /// A weight of a form that is not read, and is compared byte for byte with the codes.
  private mutating func unread(
    _ tensor: TensorDescriptor, _ scales: TensorDescriptor, _ biases: TensorDescriptor?, _ form: MLXQuantization.Form,
    _ tally: inout Tally
  ) -> TensorDescriptor {
    if let biases { parts.insert(ExactString(biases.name)) }
    var weight = tensor
    weight.encoding = MLXPacking.encoding(form)
    weight.scale = ScaleDescriptor(
      name: scales.name, storage: scales.encoding.dtype ?? .u8, granularity: .group(columns: form.groupSize),
      convention: nil, location: scales.location, biases: biases?.location)
    tally.plain.append((tensor.name, tensor.shape.isMatrix ? "mode \(form.shownMode)" : "it is no matrix"))
    return weight
  }

  /// A weight that is code × scale + bias.
  private mutating func affine(
    _ tensor: TensorDescriptor, _ scales: TensorDescriptor, _ biases: TensorDescriptor?, _ form: MLXQuantization.Form,
    _ place: ErrorLocation, _ read: (TensorDescriptor, Range<Int>) throws -> [UInt8], _ tally: inout Tally
  ) throws -> TensorDescriptor {
    guard let biases else {
      throw FormatError(.mlx(.missing(MLXPacking.biases(of: tensor.name) ?? "biases")), location: place)
    }
    parts.insert(ExactString(biases.name))
    var weight = tensor
    weight.shape = try MLXInterpretation.shape(tensor, scales, biases, form, place)
    weight.scale = ScaleDescriptor(
      name: scales.name, storage: scales.encoding.dtype ?? .f16, granularity: .group(columns: form.groupSize),
      convention: .multiply, location: scales.location, biases: biases.location)
    switch try MLXInterpretation.verdict(tensor, scales, biases, form, read) {
    case .ternary:
      do throws(LayoutError) {
        try MLXTwoBit().check(weight.shape)
      } catch {
        throw LayoutError(error.kind, location: place)
      }
      weight.encoding = .ternary(MLXTwoBit.id)
      tally.ternary += 1
    case .damaged:
      weight.encoding = MLXPacking.encoding(form, MLXPacking.damage)
      tally.damaged.append(tensor.name)
    case .binary: weight.encoding = MLXPacking.encoding(form, MLXPacking.binary)
    case .plain(let why):
      weight.encoding = MLXPacking.encoding(form)
      tally.plain.append((tensor.name, why))
    }
    return weight
  }

  /// The shape of the matrix that words stand for.
  private static func shape(
    _ words: TensorDescriptor, _ scales: TensorDescriptor, _ biases: TensorDescriptor, _ form: MLXQuantization.Form,
    _ place: ErrorLocation
  ) throws(FormatError) -> TensorShape {
    // Of the dimensions themselves: rows without columns count as none.
    let (rows, wordColumns) = (words.shape.dimensions[0], words.shape.dimensions[1])
    guard let bits = Checked.product(wordColumns, 32), bits % form.bits == 0,
      let shape = TensorShape(rows: rows, columns: bits / form.bits)
    else { throw FormatError(.packedShape(found: words.shape.description), location: place) }
    guard shape.columns % form.groupSize == 0 else {
      throw FormatError(.mlx(.columns(shape.columns, groupSize: form.groupSize)), location: place)
    }
    let expected = [rows, shape.columns / form.groupSize]
    for part in [scales, biases] {
      guard part.shape.dimensions == expected else {
        throw FormatError(.mlx(.shape(part.name, expected: expected, found: part.shape)), location: place)
      }
      let types = [DType.f16, .bf16, .f32]
      guard let type = part.encoding.dtype, types.contains(type), part.encoding == scales.encoding else {
        let wanted = part.name == scales.name ? "F16, BF16 or F32" : scales.encoding.name + " as the scales are"
        throw FormatError(.mlx(.type(part.name, expected: wanted, found: part.encoding.name)), location: place)
      }
    }
    return shape
  }

  // MARK: - What the numbers are

  private enum Verdict {
    case ternary
    case damaged
    /// Bits that stand for −s and +s.
    case binary
    case plain(String)
  }

  private static func verdict(
    _ words: TensorDescriptor, _ scales: TensorDescriptor, _ biases: TensorDescriptor, _ form: MLXQuantization.Form,
    _ read: (TensorDescriptor, Range<Int>) throws -> [UInt8]
  ) throws -> Verdict {
    guard form.bits <= 2, let type = scales.encoding.dtype else { return .plain("\(form.bits) bits") }
    let perRow = scales.shape.columns
    // Of rows that no layout takes nothing is read.
    guard perRow > 0, scales.shape.rows > 0, perRow <= TensorShape.longestRow / form.groupSize else {
      return form.bits == 1 ? .binary : .ternary
    }
    let rows = min(scales.shape.rows, max(1, sampled / perRow))
    let bytes = 0..<rows * perRow * (type.bits / 8)
    let pairs = MLXScales.pairs(try read(scales, bytes), try read(biases, bytes), type)
    func place(_ index: Int) -> String {
      "row \(index / perRow), group \(index % perRow) has scale \(pairs[index].scale) and bias \(pairs[index].bias), and "
    }
    if form.bits == 1 {
      let other = pairs.firstIndex { $0.isFinite && !$0.isBinary }
      return other.map { .plain(place($0) + "binary weights need bias = −scale ÷ 2") } ?? .binary
    }
    guard let other = pairs.firstIndex(where: { $0.isFinite && !$0.isTernary }) else { return .ternary }
    let codes = try read(words, 0..<rows * perRow * form.groupSize / 4)
    if isDamaged(pairs, codes, groupBytes: form.groupSize / 4) { return .damaged }
    return .plain(place(other) + "trits need bias = −scale")
  }

  /// Whether groups are what `mx.quantize(bits=2)` makes of −s, 0, +s.
  ///
  /// Of both signs: scale −s/2 and bias s, where code 0 is s, code 2 is 0 and −s has no code; code 1 is never met, as it
  /// would be in a model of other numbers. Of one sign: codes 0 and 3 alone, exact. Of zeros: code 0 and bias 0.
  private static func isDamaged(_ pairs: [MLXScales.Pair], _ codes: [UInt8], groupBytes: Int) -> Bool {
    var found = false
    for (index, pair) in pairs.enumerated() where pair.isFinite {
      let bytes = codes[index * groupBytes..<(index + 1) * groupBytes]
      var seen = [false, false, false, false]
      for byte in bytes {
        for place in 0..<4 { seen[Int(truncatingIfNeeded: byte >> (2 * UInt8(truncatingIfNeeded: place)) & 3)] = true }
      }
      if pair.scale < 0, pair.bias == -2 * pair.scale, !seen[1] {
        found = true
        continue
      }
      let isOneSided = !seen[1] && !seen[2]
      let isZero = pair.bias == 0 && !seen[1] && !seen[2] && !seen[3]
      guard isOneSided || isZero else { return false }
    }
    return found
  }
}

/// Scales and biases of MLX.
enum MLXScales {
  /// The two numbers of a group.
  struct Pair {
    let scale: Float
    let bias: Float

    var isFinite: Bool { scale.isFinite && bias.isFinite }
    /// Bitwise −scale; over a scale of 0 either zero will do.
    var isTernary: Bool { scale >= 0 && bias == -scale }
    /// Whether a bit stands for a number and its opposite.
    var isBinary: Bool { scale == -2 * bias }
  }

  static func pairs(_ scales: [UInt8], _ biases: [UInt8], _ type: DType) -> [Pair] {
    zip(floats(scales, type), floats(biases, type)).map { Pair(scale: $0, bias: $1) }
  }

  private static func floats(_ bytes: [UInt8], _ type: DType) -> [Float] {
    let span = bytes.span.bytes
    if type == .f32 {
      return (0..<bytes.count / 4).map {
        Float(
          bitPattern: UInt32(littleEndian: span.unsafeLoadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
    return (0..<bytes.count / 2).map {
      let bits = UInt16(littleEndian: span.unsafeLoadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self))
      return type == .f16 ? HalfFloat(bits: bits).float : BFloat16(bits: bits).float
    }
  }

  /// The scales of ternary weights, every bias looked at.
  ///
  /// - Throws: `FormatError` naming the first group that is not trit × scale.
  static func scale(
    _ tensor: TensorDescriptor, _ descriptor: ScaleDescriptor, scales: [UInt8], biases: [UInt8], file: String
  ) throws(FormatError) -> TernaryScale {
    let pairs = pairs(scales, biases, descriptor.storage)
    if let bad = pairs.firstIndex(where: { !$0.isFinite || !$0.isTernary }) {
      let perRow = max(1, descriptor.granularity.groups(columns: tensor.shape.columns))
      let fault = MLXFault.scale(
        row: bad / perRow, group: bad % perRow, scale: pairs[bad].scale, bias: pairs[bad].bias)
      throw FormatError(.mlx(fault), file: file, tensor: tensor.name)
    }
    return TernaryScale(
      stored: pairs.map(\.scale), storage: descriptor.storage, convention: .multiply,
      granularity: descriptor.granularity)
  }
}
