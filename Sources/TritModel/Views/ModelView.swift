// Tritsmith: a model's files under Hugging Face's names.

import TritCore

/// A source that shows a model's files under Hugging Face's names and in its form.
package protocol ModelView: TensorSource {
  /// What a tensor of the files is called here; nil for one that is not shown.
  func name(ofStored name: String) -> String?
  /// What the numbers of a tensor that is shown were made of.
  func values(of tensor: TensorDescriptor) -> ModuleTemplate.StoredValues
  /// How the rows of a tensor are rotated as it is shown; nil for ordinary ones.
  func rotation(of tensor: TensorDescriptor) -> RowRotation?
  /// The columns that were rotated together in a tensor that is shown as the ordinary matrix; nil for others.
  func unfoldedBlock(of tensor: TensorDescriptor) -> Int?
  /// What its files are rotated by, whatever it shows; nil where they are not.
  var storedRotation: StoredRotation? { get }
  /// Whether rotated weights are shown as they are stored.
  var keepsRotation: Bool { get }
  /// The same files with rotated weights as those of the ordinary model.
  func asOrdinary() throws -> any TensorSource
}
