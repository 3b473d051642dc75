// Tritsmith: options held against what files state.

import TritCore
import TritLayouts

/// What the user says of a model, where its files state something else.
package struct ContradictedChoice: Sendable, Hashable {
  /// The option as it is typed.
  let option: String
  let said: String
  /// What states the contrary.
  let evidence: String
  /// How to state what the option says, where the files are wrong.
  let correction: String

  var summary: String { "\(evidence); \(said) was asked for" }

  var remedy: String { "leave \(option) out; where the files are wrong, \(correction)" }
}

extension ScaleFinding {
  /// Refuses a choice that contradicts what files state and their numbers agree with.
  ///
  /// A statement that the numbers say nothing of, and numbers without a statement, may be wrong: `check` warns of a
  /// choice that contradicts either.
  func check(_ options: OpenOptions, configurationFile: String, weightsFile: String?) throws(FormatError) {
    guard let said = options.scaleConvention, !options.isTrial else { return }
    let numbers = evidence.first { $0.origin == .magnitude }
    let stated = evidence.first { [.configuration, .container].contains($0.origin) && $0.convention != nil }
    guard let stated, let numbers, let meaning = stated.convention, meaning != said, numbers.convention == meaning
    else { return }
    let isOfConfiguration = stated.origin == .configuration
    let choice = ContradictedChoice(
      option: options.scaleOption ?? OpenOptions.usualScaleOption, said: said.rawValue,
      evidence: "\(stated.detail), which means \(meaning.rawValue), and \(numbers.detail)",
      correction: isOfConfiguration ? "correct linear_class there" : "write them again from their source")
    throw FormatError(
      .choiceContradicted(choice), file: isOfConfiguration ? configurationFile : weightsFile,
      field: isOfConfiguration ? "quantization_config.linear_class" : "tritsmith_recipe")
  }
}

extension I2SOrder {
  /// Refuses a byte order that is not the one a file states for its I2_S tensors.
  static func check(_ options: OpenOptions, stated: I2SOrder?, _ tensors: [TensorDescriptor], file: String) throws {
    guard let said = options.i2sOrder, let stated, said != stated, !options.isTrial, !options.orderIsOfOutput,
      let first = tensors.first(where: { $0.encoding.name.hasPrefix("I2_S") })
    else { return }
    let choice = ContradictedChoice(
      option: "--i2s-order", said: said.rawValue,
      evidence: "the file states \(stated.rawValue), in which this program wrote it",
      correction: "correct that key")
    throw FormatError(.choiceContradicted(choice), file: file, tensor: first.name, field: GGUFSource.i2sOrderKey)
  }
}
