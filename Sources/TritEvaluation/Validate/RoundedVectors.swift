// Tritsmith: vectors of delta nets that rounding alone keeps apart.

import TritCore
import TritInference
import TritModel
import TritSurvey

/// Taps of convolutions, A_log and dt_bias of two models, held against each other number by number.
///
/// A sum of four products may cancel and SiLU bends it, so no bound says what rounded taps do to a unit. Where rounding
/// explains every number of one, steps are therefore compared with the reference's numbers on both sides.
struct RoundedVectors {
  private struct Vector {
    let part: ModulePart
    let layer: Int
    let rounding: MatrixRounding

    var isRounded: Bool { rounding.isExplained && rounding.share > 0 }
  }

  /// By the state they make.
  private var vectors: [String: [Vector]] = [:]
  private let reference: LanguageModel
  /// Of fewer numbers a factor, or one that is another, is not told from rounding: their types must state it.
  private static let many = 64

  init(_ reference: RunnableModel, _ model: RunnableModel) {
    self.reference = reference.model
    let parts: [(part: ModulePart, state: String)] = [
      (.convolution, "conv"), (.decayLog, "log_decay"), (.decayBias, "log_decay"),
    ]
    for layer in 0..<reference.model.configuration.layers {
      for (part, state) in parts {
        if let vector = RoundedVectors.vector(part, layer, [reference, model]) {
          vectors["block\(layer).linear_attn.\(state)", default: []].append(vector)
        }
      }
    }
  }

  /// Nil where one side has none, or they are of two sizes.
  private static func vector(_ part: ModulePart, _ layer: Int, _ sides: [RunnableModel]) -> Vector? {
    var values = sides.compactMap { $0.model.deltaNumbers(part, ofLayer: layer) }
    let types = sides.compactMap { type(part, layer, $0) }
    guard values.count == 2, types.count == 2, values[0].count == values[1].count else { return nil }
    for side in 0...1 where part == .decayLog && sides[side].source is GGUFModelView {
      values[side] = settled(values[side], beside: values[1 - side], types[1 - side])
    }
    let taps = part == .convolution ? sides[0].model.configuration.deltaNet?.convolution : nil
    let isTold = taps != nil || values[0].count >= many
    let rule =
      isTold
      ? RoundingRule(StoredNumbers(types[0]), StoredNumbers(types[1])) : RoundingRule(stated: types[0], types[1])
    let rounding = MatrixRounding(values[0], values[1], columns: taps ?? 1, rule)
    return Vector(part: part, layer: layer, rounding: isTold ? rounding.asAWhole : rounding)
  }

  /// A_log of a GGUF file is the logarithm of a Float, and off by two of its last places: what was beside the middle of two
  /// numbers of a type may have gone to either.
  private static func settled(_ logarithms: [Float], beside numbers: [Float], _ type: DType) -> [Float] {
    guard type == .f16 || type == .bf16 else { return logarithms }
    let room: Float = 0x1p-22
    return zip(logarithms, numbers).map { value, number in
      [value, value - room, value + room].first { TernaryScale.rounded($0, to: type) == number } ?? value
    }
  }

  /// The type its numbers are of. Behind −exp(A_log) of a GGUF file they are Floats.
  private static func type(_ part: ModulePart, _ layer: Int, _ side: RunnableModel) -> DType? {
    guard let module = side.model.configuration.architecture.module(part),
      let tensor = side.source.manifest.tensor(
        named: ModulePlace(module, layer: layer, piece: module.piece).name),
      let type = tensor.encoding.dtype, type.isFloatWeight
    else { return nil }
    return type
  }

  /// Whether rounding explains some that are not equal.
  var areRounded: Bool { vectors.values.joined().contains(where: \.isRounded) }

  /// A form of the model with the reference's numbers where rounding keeps its own from them.
  func taken(by model: LanguageModel) -> LanguageModel {
    var result = model
    for vector in vectors.values.joined() where vector.isRounded {
      result.takeDeltaNumbers(vector.part, ofLayer: vector.layer, from: reference)
    }
    return result
  }

  /// How far the taps are apart that make a state; nil for another state.
  func taps(_ name: String) -> MatrixRounding? { vectors[name]?.first { $0.part == .convolution }?.rounding }

  /// What rounding explains behind a state, of the vector that lost most; nil where it explains nothing.
  func rounding(_ name: String) -> MatrixRounding? {
    vectors[name]?.filter(\.isRounded).max { $0.rounding.share < $1.rounding.share }?.rounding
  }
}
