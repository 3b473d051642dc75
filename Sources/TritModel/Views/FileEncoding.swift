// Tritsmith: what the files of a model store a tensor in, whatever a view of them shows.

import TritCore
import TritFormats

extension TensorSource {
  /// The type a tensor has in its file.
  package func fileEncoding(of tensor: TensorDescriptor) -> TensorEncoding {
    switch self {
    case let view as GGUFModelView: view.stored(tensor).encoding
    case let view as MLXBinaryView: view.stored(tensor).encoding
    case let view as CheckpointView: view.base.fileEncoding(of: view.stored(tensor))
    default: tensor.encoding
    }
  }

  /// The tensor of a GGUF file behind one that is shown under Hugging Face's names; of other files the tensor itself.
  package func storedInGGUF(_ tensor: TensorDescriptor) -> TensorDescriptor {
    (self as? GGUFModelView)?.stored(tensor) ?? tensor
  }
}
