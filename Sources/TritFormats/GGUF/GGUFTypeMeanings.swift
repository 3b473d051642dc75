// Tritsmith: what the type numbers of a GGUF file stand for, by its tensor offsets.

import TritCore

/// Decides type numbers that programs use for different things.
///
/// A number's meanings differ in bytes a weight, so each of them says where a tensor must end; the next tensor begins
/// there, up to the alignment. The meaning that explains every tensor of the number is the one. Neither
/// `general.file_type` nor a file's name decides anything; where they say otherwise, that is noted.
struct GGUFTypeMeanings {
  private(set) var byID: [UInt32: GGMLMeaning] = [:]
  private(set) var findings: [TypeFinding] = []
  private(set) var notes: [String] = []

  /// A tensor and the bytes up to what follows it.
  private struct Span {
    var tensor: GGUFHeader.Tensor
    var path: String
    var bytes: UInt64
    var alignment: UInt64
    /// The last tensor of a file may be padded or not, and other programs append to files.
    var isLast: Bool

    func size(_ meaning: GGMLMeaning) -> UInt64? {
      let columns = tensor.dimensions.first ?? 1
      guard columns % UInt64(meaning.columns) == 0 else { return nil }
      return Checked.product(
        [columns / UInt64(meaning.columns), UInt64(meaning.bytes)] + tensor.dimensions.dropFirst())
    }

    func fits(_ meaning: GGMLMeaning) -> Bool {
      guard let size = size(meaning) else { return false }
      return isLast ? size <= bytes : Checked.aligned(size, to: alignment) == bytes
    }

    /// Whether nothing follows that the meaning does not explain.
    func fillsFile(_ meaning: GGMLMeaning) -> Bool {
      guard isLast, let size = size(meaning) else { return true }
      return size == bytes || Checked.aligned(size, to: alignment) == bytes
    }
  }

  /// - Parameters:
  ///   - parts: header and file of every part of a model; numbers mean the same in all.
  ///   - choices: what the user says, which decides.
  init(_ parts: [(header: GGUFHeader, file: InputFile)], choices: [GGMLTypeChoice]) throws {
    var spans: [UInt32: [Span]] = [:]
    for (header, file) in parts {
      for span in GGUFTypeMeanings.spans(header, file) { spans[span.tensor.type, default: []].append(span) }
    }
    for (id, spans) in spans.sorted(by: { $0.key < $1.key }) {
      let candidates = GGMLMeaning.candidates(id)
      guard candidates.count > 1 || candidates.first?.refusal != nil else { continue }
      let meaning: GGMLMeaning
      if let choice = choices.last(where: { $0.meaning.id == id }) {
        meaning = choice.meaning
        let explained = spans.count { $0.fits(meaning) }
        guard explained > 0 else {
          throw FormatError(
            .gguf(.choiceFitsNone(choice: choice.description, tensors: spans.count)), file: spans[0].path,
            tensor: spans[0].tensor.name)
        }
        findings.append(
          TypeFinding(
            id: id, name: meaning.name, tensors: spans.count, origin: .option,
            detail: "chosen on the command line; the spans of \(explained) of \(spans.count) tensors agree"))
      } else {
        meaning = try GGUFTypeMeanings.decide(candidates, spans)
        findings.append(
          TypeFinding(
            id: id, name: meaning.name, tensors: spans.count, origin: .offsets,
            detail: "\(spans.count) \(spans.count == 1 ? "tensor" : "tensors"), spans of \(meaning.geometry), "
              + "as \(meaning.program) writes"))
      }
      byID[id] = meaning
      if let refusal = meaning.refusal {
        let tensors = spans.count == 1 ? "1 tensor is" : "\(spans.count) tensors are"
        notes.append("\(tensors) \(meaning.name) and cannot be read: \(refusal)")
      }
    }
    if let header = parts.first?.header, !findings.isEmpty { notes += contradictions(header, parts[0].file.path) }
  }

  /// Tensors of a header with the bytes from each to the next one.
  private static func spans(_ header: GGUFHeader, _ file: InputFile) -> [Span] {
    let end = file.byteCount >= header.dataOffset ? file.byteCount - header.dataOffset : 0
    let offsets = header.tensors.map(\.offset).sorted()
    return header.tensors.compactMap { tensor in
      // A tensor without numbers spans nothing, whatever it is.
      guard !tensor.dimensions.contains(0) else { return nil }
      var range = 0..<offsets.count
      while !range.isEmpty {
        let middle = range.lowerBound + range.count / 2
        range = offsets[middle] > tensor.offset ? range.lowerBound..<middle : middle + 1..<range.upperBound
      }
      let isLast = range.lowerBound == offsets.count
      let next = isLast ? end : offsets[range.lowerBound]
      return Span(
        tensor: tensor, path: file.path, bytes: next >= tensor.offset ? next - tensor.offset : 0,
        alignment: header.alignment, isLast: isLast)
    }
  }

  private static func decide(_ candidates: [GGMLMeaning], _ spans: [Span]) throws -> GGMLMeaning {
    var left = candidates.filter { meaning in spans.allSatisfy { $0.fits(meaning) } }
    // The last tensor of a file excludes a meaning only by ending too early, unless another one fits it exactly.
    if left.count > 1 {
      let exact = left.filter { meaning in spans.allSatisfy { $0.fillsFile(meaning) } }
      if !exact.isEmpty { left = exact }
    }
    if left.count == 1 { return left[0] }
    func fault(_ span: Span, _ fault: GGUFFault) -> FormatError {
      FormatError(.gguf(fault), file: span.path, tensor: span.tensor.name, byteOffset: span.tensor.entryOffset)
    }
    guard left.isEmpty else {
      throw fault(
        spans[0], .ambiguousType(id: spans[0].tensor.type, names: left.map(\.name), tensors: spans.count))
    }
    // The tensor that most meanings fail to explain tells most.
    let worst = spans.min { a, b in candidates.count { a.fits($0) } < candidates.count { b.fits($0) } } ?? spans[0]
    let wanted = candidates.map { meaning -> String in
      guard let size = worst.size(meaning) else {
        return "\(meaning.name) needs rows of a multiple of \(meaning.columns)"
      }
      return "\(meaning.name) \(Checked.aligned(size, to: worst.alignment) ?? size)"
    }
    throw fault(
      worst,
      .unexplainedType(
        id: worst.tensor.type, bytes: worst.bytes, wanted: wanted,
        dimensions: worst.tensor.dimensions.reversed().map { Int(clamping: $0) }))
  }

  // MARK: - What does not decide

  /// Names of types in `general.file_type`.
  private static let fileTypes: [Int: String] = [
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0", 141: "PQ2_0", 143: "PTQ1_0",
  ]

  private func contradictions(_ header: GGUFHeader, _ path: String) -> [String] {
    var result: [String] = []
    let types = Set(header.tensors.map(\.type))
    // A group after a dash is no part of what files and people call a type.
    let present = Set(
      types.compactMap { byID[$0]?.name ?? GGMLType.type($0)?.name }.map { String($0.prefix { $0 != "-" }) })
    let shown = present.intersection(byID.values.map { String($0.name.prefix { $0 != "-" }) }).sorted()
    if let type = header.value("general.file_type")?.integer, let name = GGUFTypeMeanings.fileTypes[type],
      !present.contains(name), !byID.values.contains(where: { $0.fileTypes.contains(type) })
    {
      result.append(
        "general.file_type is \(type) (\(name)), but the tensors are \(shown.joined(separator: ", ")); the tensors count"
      )
    }
    let words = FileSystem.name(of: path).uppercased().split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    let known = Set(GGUFTypeMeanings.fileTypes.values).union(GGMLMeaning.all.map(\.name))
    if let word = words.map(String.init).first(where: { known.contains($0) }), !present.contains(word) {
      result.append(
        "the file's name says \(word), but the tensors are \(shown.joined(separator: ", ")); the tensors count")
    }
    return result
  }
}
