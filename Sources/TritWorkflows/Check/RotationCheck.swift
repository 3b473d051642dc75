// Tritsmith: whether weights are rotated and do not say so.

import TritCore
import TritFormats
import TritModel

/// Looks for rotated weights whose keys were lost: such a file is a sound one of another model.
struct RotationCheck {
  let source: any TensorSource
  let sibling: String?
  let open: OpenOptions
  let work: WorkOptions

  private var saysRotated: Bool { (source as? any ModelView)?.storedRotation != nil }

  struct Outcome {
    var findings: [CheckFinding] = []
    var notes: [String] = []
    var cautions: [String] = []
  }

  /// What the weights of a sibling tell, where one is named.
  ///
  /// - Throws: what opening and reading the sibling throws, and `CancellationFailure`.
  func run() throws -> Outcome {
    guard let sibling else { return Outcome() }
    let name = printable(sibling)
    if saysRotated {
      return Outcome(cautions: ["the weights say how they are rotated: those of \(name) were not looked at"])
    }
    let other = try ModelOpener.open(sibling, OpenOptions().reading(like: open), hasCompanions: false)
    let names = source.manifest.tensors.filter { tensor in
      tensor.shape.isMatrix && other.manifest.tensor(named: tensor.name)?.shape == tensor.shape
    }.map(\.name)
    guard !names.isEmpty else {
      return Outcome(
        cautions: ["\(name) has no matrix of this model's, by name and shape: nothing was compared with it"])
    }
    let single = WorkOptions(
      parallelism: Parallelism(threads: 1, cancellation: work.parallelism.cancellation), kernels: work.kernels)
    guard let found = try RotationProbe(first: source, second: other, work: single).finding(names) else {
      return Outcome(
        notes: ["a few matrices were compared with those of \(name): nothing speaks for rotation without its keys"])
    }
    switch found.rotated {
    case .first: return Outcome(findings: [CheckFinding(.rotation, "", found.text)])
    case .either: return Outcome(findings: [CheckFinding(.rotation, "", found.text, severity: .warning)])
    case .second, nil: return Outcome(cautions: [found.text])
    }
  }

  /// What headers cannot tell of a file of a family whose published models are rotated; nil for others, where a sibling
  /// was asked, and where a text was predicted, which speaks against it.
  ///
  /// - Parameter predictsText: whether a text was predicted better than noise is; nil where none was scored.
  func headerNote(predictsText: Bool?) -> String? {
    guard predictsText != true, sibling == nil, !saysRotated, isOfRotatedFamily else { return nil }
    let text = "headers cannot tell whether these weights are rotated and the keys that say so were lost"
    let compared = "--sibling looks at the ordinary weights"
    return text
      + (predictsText == nil
        ? ": --run scores a short text, and \(compared)" : ", of which noise comes as of other faults: \(compared)")
  }

  /// Dense folders are those of everyone's ordinary models.
  private var isOfRotatedFamily: Bool {
    if let view = source as? GGUFModelView { return view.statedDescription?.deltaNet != nil }
    guard source.manifest.tensors.contains(where: { $0.encoding.isTernary }) else { return false }
    return (try? ModelDescription.read(source))?.deltaNet != nil
  }
}
