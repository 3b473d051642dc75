// Tritsmith: how a GGUF file is to be written.

import TritCore
import TritLayouts
import TritTokenizer

/// What the projections of a GGUF file are stored in.
public enum GGUFWeightType: String, Sendable, Hashable, CaseIterable {
  case tq1 = "TQ1_0"
  case tq2 = "TQ2_0"
  case q2 = "Q2_0"
  case pq2 = "PQ2_0"
  case ptq1 = "PTQ1_0"
  case i2s = "I2_S"
  /// trit × scale, dense.
  case bf16 = "BF16"
  case f16 = "F16"
  case f32 = "F32"

  /// The element type, for dense ones.
  package var dtype: DType? {
    switch self {
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    default: nil
    }
  }

  /// `general.file_type` of llama.cpp, or of bitnet.cpp and PrismML for types of their own.
  var fileType: UInt32 {
    switch self {
    case .tq1: 36
    case .tq2: 37
    case .q2: 41
    case .pq2: 141
    case .ptq1: 143
    case .i2s: 40
    case .bf16: 32
    case .f16: 1
    case .f32: 0
    }
  }
}

/// What embeddings and head of a GGUF file are stored in, where it is not the type they have.
package enum GGUFEmbeddingType: String, Sendable, Hashable, CaseIterable {
  case f16, bf16, f32
  case q8 = "q8_0"
  case q6 = "q6_k"

  var encoding: TensorEncoding {
    switch self {
    case .f16: .dense(.f16)
    case .bf16: .dense(.bf16)
    case .f32: .dense(.f32)
    case .q8: .opaque(Q8_0.name)
    case .q6: .opaque(Q6_K.name)
    }
  }

  /// How embeddings and head of a type are stored when nobody says: as they are. llama.cpp, bitnet.cpp and ik_llama.cpp
  /// read BF16, F16 and F32 there; F64 they do not multiply by.
  static func encoding(keeping dtype: DType) -> TensorEncoding { .dense(dtype == .f64 ? .f32 : dtype) }
}

/// What happens to tensors whose rows the chosen layout cannot hold.
package enum GGUFMisfit: String, Sendable, Hashable, CaseIterable {
  /// They are named, and nothing is written.
  case error
  /// They are stored as trit × scale in F16.
  case dense
}

/// How a GGUF file is written.
public struct GGUFOptions: Sendable, Hashable {
  /// What projections are stored in.
  public var weights: GGUFWeightType
  /// The order of codes in I2_S bytes, of which programs have three; other types have one.
  package var i2sOrder: I2SOrder
  /// Nil keeps the type embeddings and head have.
  package var embeddings: GGUFEmbeddingType?
  /// What happens to tensors whose rows `weights` cannot hold.
  package var misfits: GGUFMisfit
  /// The pre-tokenizer's name; nil to tell it from `tokenizer.json`. A GGUF source is read by `OpenOptions.preTokenizer`.
  public var preTokenizer: String?
  /// False writes a file without a vocabulary.
  package var hasTokenizer: Bool

  package init(
    weights: GGUFWeightType = .tq2, i2sOrder: I2SOrder = .group128, embeddings: GGUFEmbeddingType? = nil,
    misfits: GGUFMisfit = .error, preTokenizer: String? = nil, hasTokenizer: Bool = true
  ) {
    self.weights = weights
    self.i2sOrder = i2sOrder
    self.embeddings = embeddings
    self.misfits = misfits
    self.preTokenizer = preTokenizer
    self.hasTokenizer = hasTokenizer
  }

  /// The program that files of this type are for, whose names of pre-tokenizers are used.
  var engine: GGUFEngine { weights == .i2s ? .bitnetCpp : .llamaCpp }

  /// The layout of the projections; nil for dense ones.
  package var layout: LayoutID? {
    switch weights {
    case .tq1: TQ1_0.id
    case .tq2: TQ2_0.id
    case .q2: Q2_0.id
    case .pq2: Q2_0.prismID
    case .ptq1: PTQ1_0.id
    case .i2s: i2sOrder.layout
    case .bf16, .f16, .f32: nil
    }
  }
}
