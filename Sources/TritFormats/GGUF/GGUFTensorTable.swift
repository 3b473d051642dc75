// Tritsmith: tensors of a GGUF file, proved against its size.

import TritCore
import TritLayouts

/// Turns the tensor list of a header into descriptors.
///
/// Types this package knows only by name, or not at all, are listed and never an error: other programs have types
/// of their own, and a file is worth listing even when a part of it cannot be read.
struct GGUFTensorTable {
  let header: GGUFHeader
  let file: InputFile
  /// Of the file in the manifest.
  let index: Int
  let i2sOrder: I2SOrder
  /// Of type numbers that have several.
  let meanings: [UInt32: GGMLMeaning]
  /// Whether type 39 is TL2 of bitnet.cpp, which only the rest of the file tells.
  private let hasTL2: Bool

  init(
    _ header: GGUFHeader, file: InputFile, index: Int, i2sOrder: I2SOrder, meanings: [UInt32: GGMLMeaning]
  ) {
    self.header = header
    self.file = file
    self.index = index
    self.i2sOrder = i2sOrder
    self.meanings = meanings
    hasTL2 = header.value("general.file_type")?.integer == 39 || header.tensors.contains { $0.type == 36 }
  }

  /// Descriptors in the order of the header.
  func tensors() throws -> [TensorDescriptor] {
    let order = header.tensors.indices.sorted {
      (header.tensors[$0].offset, $0) < (header.tensors[$1].offset, $1)
    }
    var result = [TensorDescriptor?](repeating: nil, count: header.tensors.count)
    var previous: (name: String, end: UInt64)?
    var elements = 0
    for (rank, position) in order.enumerated() {
      let tensor = header.tensors[position]
      func error(_ fault: GGUFFault) -> FormatError { self.error(fault, tensor) }
      guard tensor.offset % header.alignment == 0 else {
        throw error(.misaligned(offset: tensor.offset, alignment: header.alignment))
      }
      let shape = try shape(of: tensor)
      // A type that is not known may claim any shape; whoever adds up a model's elements must be able to.
      guard let sum = Checked.sum(elements, shape.elementCount) else {
        throw error(.shapeTooLarge("\(tensor.dimensions)"))
      }
      elements = sum
      let start = Checked.sum(header.dataOffset, tensor.offset) ?? .max
      guard start <= file.byteCount else { throw error(.pastEnd(end: start, fileSize: file.byteCount)) }
      // Where the size is not known, a tensor is taken to reach to the next one.
      let next = rank + 1 < order.count ? header.tensors[order[rank + 1]].offset : nil
      let available = next.map { min(Checked.sum(header.dataOffset, $0) ?? .max, file.byteCount) } ?? file.byteCount
      var (encoding, size) = try encoding(of: tensor, shape)
      let count = size ?? (available >= start ? available - start : 0)
      guard let end = Checked.sum(start, count), end <= file.byteCount, let byteCount = Int(exactly: count) else {
        throw error(.pastEnd(end: Checked.sum(start, count) ?? .max, fileSize: file.byteCount))
      }
      if let previous, start < previous.end { throw error(.overlap(with: previous.name)) }
      if count > 0 { previous = (tensor.name, end) }
      let scale = embeddedScale(&encoding, start: start)
      result[position] = TensorDescriptor(
        name: tensor.name, shape: shape, encoding: encoding,
        location: TensorLocation(file: index, offset: start, byteCount: byteCount), scale: scale)
    }
    var complete: [TensorDescriptor] = []
    complete.reserveCapacity(result.count)
    for tensor in result { if let tensor { complete.append(tensor) } }
    return complete
  }

  /// The scale that stands among a tensor's codes; trits of a layout without one are not read.
  private func embeddedScale(_ encoding: inout TensorEncoding, start: UInt64) -> ScaleDescriptor? {
    guard case .ternary(let id) = encoding else { return nil }
    guard let embedded = LayoutRegistry.layout(id)?.embeddedScale else {
      encoding = .opaque(encoding.name)
      return nil
    }
    return ScaleDescriptor(
      name: nil, storage: embedded.storage, granularity: embedded.granularity, convention: .multiply,
      location: TensorLocation(file: index, offset: start, byteCount: 0))
  }

  /// The shape, outermost first: dimensions are stored the other way round.
  private func shape(of tensor: GGUFHeader.Tensor) throws -> TensorShape {
    let dimensions = tensor.dimensions.reversed().compactMap { Int(exactly: $0) }
    guard dimensions.count == tensor.dimensions.count, let shape = TensorShape(Array(dimensions)) else {
      throw error(.shapeTooLarge("\(tensor.dimensions)"), tensor)
    }
    return shape
  }

  /// How a tensor is read, and its bytes where the type says.
  private func encoding(
    of tensor: GGUFHeader.Tensor, _ shape: TensorShape
  ) throws -> (TensorEncoding, UInt64?) {
    let name = typeName(tensor.type)
    // bitnet.cpp adds a scale and padding after the codes of the whole tensor, so blocks do not give the size.
    if tensor.type == 36 {
      let size = UInt64(shape.elementCount) / 4 + 32
      let layout = I2S(i2sOrder)
      do throws(LayoutError) {
        try layout.check(shape)
        return (.ternary(layout.id), size)
      } catch {
        return (.opaque("I2_S"), size)
      }
    }
    if tensor.type == 38 { return (.opaque(name), UInt64(shape.elementCount) / 4 + 32) }
    if tensor.type == 39, name == "TL2" { return (.opaque(name), nil) }
    if let meaning = meanings[tensor.type] { return try encoding(as: meaning, name, tensor, shape) }
    guard let type = GGMLType.type(tensor.type) else { return (.opaque(name), nil) }
    guard shape.columns % type.blockElements == 0 else {
      throw error(.blockMisfit(type: name, columns: shape.columns, block: type.blockElements), tensor)
    }
    if let layout = LayoutRegistry.layout(ggmlType: tensor.type) {
      guard (try? layout.check(shape)) != nil else {
        // Expert weights have three dimensions; each row is a row of blocks all the same.
        return (.opaque(name), type.isExact ? blockBytes(type, shape) : nil)
      }
      return (.ternary(layout.id), UInt64(layout.byteCount(shape)))
    }
    guard type.isExact else { return (.opaque(name), nil) }
    guard let size = blockBytes(type, shape) else { throw error(.shapeTooLarge("\(tensor.dimensions)"), tensor) }
    return (type.dtype.map { .dense($0) } ?? .opaque(name), size)
  }

  /// The same for a number that programs do not agree on, by what it means in this file.
  private func encoding(
    as meaning: GGMLMeaning, _ name: String, _ tensor: GGUFHeader.Tensor, _ shape: TensorShape
  ) throws -> (TensorEncoding, UInt64?) {
    guard shape.columns % meaning.columns == 0 else {
      throw error(.blockMisfit(type: name, columns: shape.columns, block: meaning.columns), tensor)
    }
    guard let size = Checked.product([UInt64(shape.elementCount / meaning.columns), UInt64(meaning.bytes)]) else {
      throw error(.shapeTooLarge("\(tensor.dimensions)"), tensor)
    }
    guard let layout = meaning.layout.flatMap(LayoutRegistry.layout), (try? layout.check(shape)) != nil else {
      return (.opaque(name), size)
    }
    return (.ternary(layout.id), size)
  }

  private func error(_ fault: GGUFFault, _ tensor: GGUFHeader.Tensor) -> FormatError {
    FormatError(.gguf(fault), file: file.path, tensor: tensor.name, byteOffset: tensor.entryOffset)
  }

  private func blockBytes(_ type: GGMLType, _ shape: TensorShape) -> UInt64? {
    Checked.product([UInt64(shape.elementCount / type.blockElements), UInt64(type.blockBytes)])
  }

  /// The name of a type number, which for 39 depends on the program that wrote the file.
  private func typeName(_ type: UInt32) -> String {
    if type == 39, hasTL2 { return "TL2" }
    if let meaning = meanings[type] { return meaning.name }
    return GGMLType.type(type)?.name ?? "type \(type)"
  }

  /// Things a user should know that are no errors.
  func notes(_ tensors: [TensorDescriptor]) -> [String] {
    var notes: [String] = []
    let unknown = Set(header.tensors.map(\.type)).filter { GGMLType.type($0) == nil }.sorted()
    if !unknown.isEmpty {
      notes.append(
        "type numbers \(unknown.map(String.init).joined(separator: ", ")) are not known here; their tensors are listed "
          + "with the bytes up to the next tensor")
    }
    if header.tensors.contains(where: { $0.name.utf8.count >= 64 }) {
      notes.append("tensor names of 64 bytes and more: llama.cpp refuses such a file")
    }
    var position = header.dataOffset
    for tensor in tensors where tensor.location.byteCount > 0 {
      guard tensor.location.offset == position else {
        notes.append("tensors do not follow each other in the order of the header: llama.cpp refuses such a file")
        break
      }
      let end = tensor.location.offset + UInt64(tensor.location.byteCount)
      position =
        header.dataOffset + (end - header.dataOffset + header.alignment - 1) / header.alignment * header.alignment
    }
    let end = tensors.map { $0.location.offset + UInt64($0.location.byteCount) }.max() ?? header.dataOffset
    // Writers pad the last tensor as they do the others.
    if file.byteCount > end, file.byteCount - end >= header.alignment {
      notes.append("\(file.byteCount - end) bytes \(GGUFFormat.surplus), and no program reads them")
    }
    for tensor in tensors where tensor.encoding == .opaque("I2_S") {
      notes.append(
        "'\(printable(tensor.name))' \(tensor.shape) does not fit I2_S in order \(i2sOrder.rawValue) and cannot be read"
      )
    }
    for tensor in tensors where tensor.shape.hasLongRows && tensor.encoding.dtype == nil {
      guard tensor.encoding.blockCodec == nil else { continue }
      notes.append(
        "'\(printable(tensor.name))' \(tensor.shape) is listed and not read: its rows are longer than "
          + "\(TensorShape.longestRow) weights")
    }
    return notes
  }
}
