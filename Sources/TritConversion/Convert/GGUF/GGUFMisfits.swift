// Tritsmith: tensors that a layout of GGUF does not take.

import TritCore
import TritLayouts
import TritSurvey

/// Tensors whose rows do not fit a layout, told once for all layers.
struct GGUFMisfits {
  private struct Misfit {
    var name: String
    var shape: TensorShape
    var detail: String
  }

  private var found: [Misfit] = []

  mutating func append(_ tensor: TensorDescriptor, _ detail: String) {
    found.append(Misfit(name: tensor.name, shape: tensor.shape, detail: detail))
  }

  /// What is wrong, and which layouts of smaller blocks take all rows; nil where everything fits.
  func error(_ type: GGUFWeightType) -> WorkflowError.Kind? {
    guard let first = found.first else { return nil }
    let others: [GGUFWeightType] = [.q2, .pq2, .ptq1]
    let fitting = others.filter { other in
      guard other != type, let layout = GGUFOptions(weights: other).layout.flatMap(LayoutRegistry.layout) else {
        return false
      }
      return found.allSatisfy { (try? layout.checkForWriting($0.shape)) != nil }
    }
    let rest = fitting.isEmpty ? "" : "; rows of all fit " + fitting.map(\.rawValue).joined(separator: ", ")
    return .tensorsDoNotFit(layout: type.rawValue, names: found.map(\.name), detail: first.detail + rest)
  }

  /// What a plan says of them; nil where everything fits.
  func warning(_ type: GGUFWeightType) -> String? {
    guard !found.isEmpty else { return nil }
    let subject = found.count == 1 ? "1 tensor does" : "\(found.count) tensors do"
    let end = found.count == 1 ? "is stored as F16" : "are stored as F16"
    return "\(subject) not fit \(type.rawValue) and \(end): " + listed
  }

  private var listed: String {
    guard found.count > 3 else {
      return found.map { "\(printable($0.name)) (\($0.detail))" }.joined(separator: ", ")
    }
    var groups: [(detail: String, names: [String])] = []
    for misfit in found {
      if let place = groups.firstIndex(where: { $0.detail == misfit.detail }) {
        groups[place].names.append(misfit.name)
      } else {
        groups.append((misfit.detail, [misfit.name]))
      }
    }
    let shown = groups.prefix(3).map { "\(GGUFMisfits.counted($0.names)) (\($0.detail))" }.joined(separator: "; ")
    let left = groups.dropFirst(3).reduce(0) { $0 + $1.names.count }
    return shown + (left == 0 ? "" : "; and \(left) more")
  }

  /// "6 kinds in each of 30 layers, such as NAME".
  private static func counted(_ names: [String]) -> String {
    let parts = names.map { $0.split(separator: ".") }
    let kinds = Set(parts.map { $0.filter { Int($0) == nil } })
    let layers = Set(parts.map { $0.first { Int($0) != nil } })
    let example = names.first.map { printable($0) } ?? ""
    guard names.count > 1 else { return example }
    guard layers.count > 1, kinds.count * layers.count == names.count else {
      return "\(names.count) tensors, such as \(example)"
    }
    let kind = kinds.count == 1 ? "one kind" : "\(kinds.count) kinds"
    return "\(kind) in each of \(layers.count) layers, such as \(example)"
  }
}
