// Tritsmith: telling the byte order of I2_S from a second model.

import TritCore
import TritFormats
import TritLayouts
import TritModel

/// Reads I2_S tensors in every byte order and asks which one a counterpart agrees with.
///
/// A file does not tell its order, and every order reads the same two-bit codes from the same bytes: none of them meets
/// an invalid code where another does not. Only another model that holds the same weights can prove a guess wrong.
package struct I2SOrderProbe {
  /// The model whose order is in question.
  let source: any TensorSource
  /// What a tensor ought to hold, by its name in `source`; nil when there is nothing to compare with.
  let expected: (_ tensor: TensorDescriptor, _ band: MatrixBand) throws -> [Int8]?

  package init(
    source: any TensorSource, expected: @escaping (_ tensor: TensorDescriptor, _ band: MatrixBand) throws -> [Int8]?
  ) {
    (self.source, self.expected) = (source, expected)
  }

  /// Two unrelated ternary matrices agree in about two fifths of their trits; the right order in nearly all of them.
  private static let certainty = 0.9
  private static let tensorLimit = 4
  private static let rowLimit = 64

  /// A sentence that names the order the file is probably in; nil when that is the one it was read in, or none is.
  ///
  /// - Parameter differing: tensors of `source` whose trits were not the expected ones.
  package func finding(_ differing: [TensorDescriptor]) throws -> String? {
    guard let view = source as? GGUFModelView else { return nil }
    let suspects = differing.filter { view.order(of: $0) != nil }.prefix(I2SOrderProbe.tensorLimit)
    guard let first = suspects.first, let current = view.order(of: first) else { return nil }
    let now = try agreement(suspects, in: source)
    let isStated = view.manifest.metadata.contains { $0.key == GGUFSource.i2sOrderKey }
    for order in I2SOrder.allCases where order != current {
      var options = OpenOptions(i2sOrder: order)
      options.isTrial = true
      guard let again = try? ModelOpener.open(source.manifest.path, options, hasCompanions: false) else { continue }
      let share = try agreement(suspects, in: again)
      guard share >= I2SOrderProbe.certainty, share > now else { continue }
      return "the byte order of '\(printable(source.manifest.path))' is probably \(order.rawValue): read so, "
        + "\(percent(share)) of the trits looked at agree, in \(current.rawValue) \(percent(now)) "
        + (isStated ? "(its key \(GGUFSource.i2sOrderKey) is wrong)" : "(--i2s-order \(order.rawValue))")
    }
    return nil
  }

  /// Share of equal trits in the first rows of some tensors.
  private func agreement(_ tensors: ArraySlice<TensorDescriptor>, in source: any TensorSource) throws -> Double {
    var (equal, total) = (0, 0)
    for tensor in tensors {
      let band = tensor.shape.band(0..<min(tensor.shape.rows, I2SOrderProbe.rowLimit))
      guard let tensor = source.manifest.tensor(named: tensor.name), tensor.encoding.isTernary,
        let wanted = try expected(tensor, band),
        let found = try IndependentDecoder.trits(band, of: tensor, in: source), found.count == wanted.count
      else { continue }
      total += found.count
      for (a, b) in zip(found, wanted) where a == b { equal += 1 }
    }
    return total == 0 ? 0 : Double(equal) / Double(total)
  }

  private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}

extension GGUFModelView {
  /// The byte order an I2_S tensor is read in; nil for tensors of other types.
  func order(of tensor: TensorDescriptor) -> I2SOrder? {
    I2SOrder.allCases.first { stored(tensor).encoding == .ternary($0.layout) }
  }
}
