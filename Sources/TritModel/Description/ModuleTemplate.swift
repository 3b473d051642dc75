// Tritsmith: what a family calls its modules.

import TritCore

/// A module of a decoder, by what it does.
package enum ModulePart: Sendable, Hashable {
  case embedding, finalNorm, head
  case inputNorm, attentionSubNorm, feedForwardNorm, feedForwardSubNorm
  /// Norms of every query and every key head, before they are rotated.
  case queryNorm, keyNorm
  case projection(ProjectionKind)
  /// Of a gated delta net: what its decay and its rate of change are made from, one number a value head.
  case decay, rate
  case decayLog, decayBias
  /// The convolution of query, key and value over the last tokens.
  case convolution
  /// The norm of every value head of the output.
  case deltaNorm

  /// Whether it stands in layers.
  var isInLayers: Bool {
    switch self {
    case .embedding, .finalNorm, .head: false
    default: true
    }
  }
}

/// What mixes the tokens of a layer.
package enum LayerKind: String, Sendable, Hashable, CaseIterable {
  case attention = "full_attention"
  /// A gated delta net, which keeps a state of one size.
  case deltaNet = "linear_attention"
}

/// A module of a family: its names, its sizes in terms of the model's, the order of its rows in GGUF.
///
/// A table of these is all that is known of a family's tensors; roles, expected tensors, both directions of GGUF naming
/// and the weights a forward pass looks up are views of it.
package struct ModuleTemplate: Sendable, Hashable {
  /// A length, in terms of a model's sizes.
  package enum Length: Sendable, Hashable {
    case vocabulary, hidden, intermediate
    /// Heads × head width, and key/value heads × head width.
    case queries, keys
    /// One head's width.
    case head
    /// Heads × head width, each head's query followed by what its output is gated by.
    case gatedQueries
    /// Of a delta net: query, key and value side by side; all value heads; one; their number; tokens of the convolution.
    case deltaChannels, deltaValues, deltaHead, deltaHeads, convolution
  }

  /// How rows, or columns, stand in GGUF files.
  package enum RowOrder: Sendable, Hashable {
    case asGiven
    /// Adjacent pairs of a head's rows are rotated together, where Hugging Face rotates halves.
    case rotatedPairs
    /// Value heads take turns: the first of every key head, then the second of each, and so on.
    case valueHeads
    /// The same, behind the rows of queries and keys.
    case valueHeadsBehindKeys
  }

  /// What numbers GGUF files, and those for MLX, hold in the place of Hugging Face's.
  package enum StoredValues: Sendable, Hashable {
    case same
    /// 1 + w, in MLX's files too.
    case onePlus
    /// −exp(w), in GGUF alone.
    case minusExponential
  }

  /// How many dimensions a weight has in Hugging Face's files.
  package enum Form: Sendable, Hashable {
    case vectorOrMatrix
    /// A matrix with a dimension of 1 between, which GGUF leaves out.
    case convolution
  }

  package var part: ModulePart
  /// Hugging Face's name, without `model.layers.N.`
  package var path: String
  /// GGUF's name, without `blk.N.`
  package var storedPath: String
  package var rows: Length
  /// Nil for a vector.
  package var columns: Length?
  package var rowOrder: RowOrder
  package var columnOrder: RowOrder = .asGiven
  /// The layers that have it; nil for all of them.
  package var layers: LayerKind?
  /// `.weight`, or `.itself` where the paths are the tensor's whole names.
  package var piece = ModulePlace.Piece.weight
  package var values = StoredValues.same
  package var form = Form.vectorOrMatrix

  package init(
    _ part: ModulePart, _ path: String, gguf storedPath: String, _ rows: Length, _ columns: Length? = nil,
    rowOrder: RowOrder = .asGiven
  ) {
    self.part = part
    self.path = path
    self.storedPath = storedPath
    self.rows = rows
    self.columns = columns
    self.rowOrder = rowOrder
  }

  /// A Llama block and what stands around it, with the norms a family may have before its output projections, or of
  /// its query and key heads.
  package static func decoder(
    rotatesPairsInGGUF: Bool = false, attentionSubNorm: String? = nil, feedForwardSubNorm: String? = nil,
    queryNorm: String? = nil, keyNorm: String? = nil
  ) -> [ModuleTemplate] {
    let order: RowOrder = rotatesPairsInGGUF ? .rotatedPairs : .asGiven
    func attention(
      _ kind: ProjectionKind, _ stored: String, _ rows: Length, _ columns: Length, _ order: RowOrder = .asGiven
    ) -> ModuleTemplate {
      ModuleTemplate(
        .projection(kind), "self_attn." + kind.rawValue, gguf: stored, rows, columns, rowOrder: order)
    }
    func feedForward(_ kind: ProjectionKind, _ stored: String, _ rows: Length, _ columns: Length) -> ModuleTemplate {
      ModuleTemplate(.projection(kind), "mlp." + kind.rawValue, gguf: stored, rows, columns)
    }
    var result = [
      ModuleTemplate(.embedding, "model.embed_tokens", gguf: "token_embd", .vocabulary, .hidden),
      ModuleTemplate(.finalNorm, "model.norm", gguf: "output_norm", .hidden),
      ModuleTemplate(.head, "lm_head", gguf: "output", .vocabulary, .hidden),
      ModuleTemplate(.inputNorm, "input_layernorm", gguf: "attn_norm", .hidden),
      attention(.query, "attn_q", .queries, .hidden, order),
      attention(.key, "attn_k", .keys, .hidden, order),
      attention(.value, "attn_v", .keys, .hidden),
      attention(.output, "attn_output", .hidden, .queries),
      ModuleTemplate(.feedForwardNorm, "post_attention_layernorm", gguf: "ffn_norm", .hidden),
      feedForward(.gate, "ffn_gate", .intermediate, .hidden),
      feedForward(.up, "ffn_up", .intermediate, .hidden),
      feedForward(.down, "ffn_down", .hidden, .intermediate),
    ]
    if let path = queryNorm { result.append(ModuleTemplate(.queryNorm, path, gguf: "attn_q_norm", .head)) }
    if let path = keyNorm { result.append(ModuleTemplate(.keyNorm, path, gguf: "attn_k_norm", .head)) }
    if let path = attentionSubNorm {
      result.append(ModuleTemplate(.attentionSubNorm, path, gguf: "attn_sub_norm", .queries))
    }
    if let path = feedForwardSubNorm {
      result.append(ModuleTemplate(.feedForwardSubNorm, path, gguf: "ffn_sub_norm", .intermediate))
    }
    return result
  }
}

/// Where a tensor stands in a family's table: the module, its layer, and what of the module it is.
package struct ModulePlace: Sendable, Hashable {
  /// What a tensor is of its module, by the end of its name.
  package enum Piece: String, Sendable, Hashable, CaseIterable {
    case weight, bias
    /// A tensor that is a module's own, without a word behind the name.
    case itself = ""
    /// A norm of its own in front of a projection's input quantization (`use_rms_norm`); GGUF has no name for it.
    case inputNorm = "rms_norm.weight"
  }

  package var template: ModuleTemplate
  /// Nil outside of the layers.
  package var layer: Int?
  package var piece: Piece

  /// What the names of a layer's tensors begin with, in Hugging Face's and in GGUF's spelling.
  package static let layerPrefix = "model.layers."
  static let storedLayerPrefix = "blk."

  package init(_ template: ModuleTemplate, layer: Int?, piece: Piece) {
    self.template = template
    self.layer = layer
    self.piece = piece
  }

  /// Hugging Face's name of the module: `model.layers.0.mlp.up_proj`.
  package var module: String { (layer.map { "\(ModulePlace.layerPrefix)\($0)." } ?? "") + template.path }

  /// Hugging Face's name of the tensor.
  package var name: String { piece == .itself ? module : module + "." + piece.rawValue }

  /// GGUF's name of the tensor; nil when it has none.
  package var storedName: String? {
    guard piece != .inputNorm else { return nil }
    return (layer.map { "\(ModulePlace.storedLayerPrefix)\($0)." } ?? "") + template.storedPath
      + (piece == .itself ? "" : "." + piece.rawValue)
  }

  package var role: TensorRole {
    switch (piece, template.part) {
    case (.bias, _): .bias
    case (.inputNorm, _): .norm
    case (_, .embedding): .embedding
    case (_, .head): .outputHead
    case (_, .projection(let kind)): .projection(layer: layer ?? 0, kind: kind)
    // Small, and no matrices that training makes ternary.
    case (_, .decay), (_, .rate), (_, .decayLog), (_, .decayBias), (_, .convolution): .other
    default: .norm
    }
  }
}

extension Architecture {
  /// The module of a part; nil when the family has none.
  package func module(_ part: ModulePart) -> ModuleTemplate? { modules.first { $0.part == part } }

  /// Where a tensor of that Hugging Face name stands; nil for a name that is not in the table.
  package func place(of name: String) -> ModulePlace? {
    place(name, ModulePlace.layerPrefix, ModulePlace.Piece.allCases) { $0.path }
  }

  /// Where a tensor of that GGUF name stands; nil for a name that is not in the table.
  package func place(ofStored name: String) -> ModulePlace? {
    place(name, ModulePlace.storedLayerPrefix, [.weight, .bias]) { $0.storedPath }
  }

  /// The role of a tensor by its Hugging Face name.
  package func role(of name: String) -> TensorRole { place(of: name)?.role ?? .other }

  /// Where a tensor stands in a written GGUF file: embedding, norm and head first, then block by block.
  ///
  /// The order does not depend on the source's, so that the same model gives the same file whatever it came from.
  package func position(_ place: ModulePlace) -> [Int] {
    let index = modules.firstIndex(of: place.template) ?? Int.max
    return [place.layer.map { $0 + 1 } ?? 0, index, place.piece == place.template.piece ? 0 : 1]
  }

  private func place(
    _ name: String, _ prefix: String, _ pieces: [ModulePlace.Piece], _ path: (ModuleTemplate) -> String
  ) -> ModulePlace? {
    var rest = name[...]
    var layer: Int?
    if name.hasPrefix(prefix) {
      let digits = name.dropFirst(prefix.count).prefix { $0 != "." }
      // Only the plain spelling: `00` is another name.
      guard let number = UInt32(digits), String(number) == digits else { return nil }
      layer = Int(exactly: number)
      rest = name.dropFirst(prefix.count + digits.count + 1)
    }
    for template in modules where template.part.isInLayers == (layer != nil) {
      let path = path(template)
      if template.piece == .itself {
        guard rest == path else { continue }
        return ModulePlace(template, layer: layer, piece: .itself)
      }
      guard rest.hasPrefix(path), rest.dropFirst(path.count).first == "." else { continue }
      let end = rest.dropFirst(path.count + 1)
      guard let piece = pieces.first(where: { $0 != .itself && $0.rawValue == end }) else { continue }
      if piece == .inputNorm { guard case .projection = template.part else { continue } }
      return ModulePlace(template, layer: layer, piece: piece)
    }
    return nil
  }
}
