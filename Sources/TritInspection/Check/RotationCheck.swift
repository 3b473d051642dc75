// Tritsmith: what headers cannot tell of rotated weights.

import TritCore
import TritFormats
import TritModel

/// What nobody can know of rotated weights whose keys were lost: such a file is a sound one of another model.
enum RotationCheck {
  /// What headers cannot tell of a model; nil where they can, where a sibling did, and where a text was predicted, which
  /// speaks against it.
  ///
  /// - Parameters:
  ///   - sibling: what the model was held against; nil for nothing.
  ///   - predictsText: whether a text was predicted better than noise is; nil where none was scored.
  ///   - wasAsked: whether one was to be scored.
  static func headerNote(
    _ source: any TensorSource, _ sibling: SiblingCheck.Outcome?, predictsText: Bool?, wasAsked: Bool
  ) -> String? {
    guard predictsText != true, sibling?.settlesRotation != true, leavesOpen(source) else { return nil }
    let text = "headers cannot tell rotated weights that lost their keys from ordinary ones"
    let score = wasAsked ? "no text could be scored" : "--run scores a short text"
    guard let sibling else {
      let compared = "--sibling looks at the ordinary weights"
      return text
        + (predictsText == nil
          ? ": \(score), and \(compared)" : ", and noise has other causes too: \(compared)")
    }
    return text + ", and \(printable(sibling.comparison.path)) does not settle it"
      + (predictsText == nil ? ": \(score)" : "; noise has other causes too")
  }

  /// Whether a model says nothing of rotation and is of a family whose published models are rotated, whatever its form.
  static func leavesOpen(_ source: any TensorSource) -> Bool {
    guard (source as? any ModelView)?.storedRotation == nil else { return false }
    if let view = source as? GGUFModelView { return view.statedDescription?.deltaNet != nil }
    // Dense folders too: they are made of files without their keys as of others.
    return (try? ModelDescription.read(source))?.deltaNet != nil
  }
}
