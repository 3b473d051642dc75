// Tritsmith: what `--to` and the name of an output say.

import CommandLineKit
import TritConversion
import TritCore
import TritFormats
import TritLayouts
import TritSurvey

/// How TritPack and GGUF store trits.
enum CodeLayout: Hashable, RawRepresentable, CaseIterable, ExpressibleByArgument {
  case tritpack(LayoutID)
  case gguf(GGUFWeightType)

  static var valueName: String? { "name" }
  static let allCases =
    [SplitRow.base3ID, SplitRow.twoBitID].map(CodeLayout.tritpack) + GGUFWeightType.allCases.map(CodeLayout.gguf)

  init?(rawValue: String) {
    guard let layout = CodeLayout.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = layout
  }

  var rawValue: String {
    switch self {
    case .tritpack(let layout): layout.rawValue
    case .gguf(let type): type.rawValue
    }
  }

  /// What GGUF calls it; nil for TritPack's own.
  var gguf: GGUFWeightType? { if case .gguf(let type) = self { type } else { nil } }

  /// Types of GGUF that are not written.
  static var refusals: [String: String] {
    let own = Set(allCases.map { $0.rawValue.uppercased() })
    let read = Set(BlockCodecs.all.map { $0.name } + LayoutRegistry.all.map(\.id.rawValue))
    let others = GGMLType.all.map(\.name).filter { !own.contains($0.uppercased()) }
    return Dictionary(
      others.map { name in
        let why =
          read.contains(name) ? "is read, and trits are not written so" : "is a type of GGUF that is not written"
        return (name.lowercased(), "\(name) \(why)")
      }, uniquingKeysWith: { first, _ in first })
  }

  /// What can be said in place of a target: `--to tq2_0`. A type of ordinary numbers may be that of other targets.
  static let targets = allCases.filter { $0.gguf?.dtype == nil }
}

/// What `--to` says: a target, or a layout that only one target has.
struct TargetName: ExpressibleByArgument, Equatable {
  var target: ConversionTarget
  var layout: CodeLayout?

  init(_ target: ConversionTarget, _ layout: CodeLayout? = nil) {
    (self.target, self.layout) = (target, layout)
  }

  init?(argument: String) {
    if let target = ConversionTarget(argument: argument) {
      self.init(target)
    } else if let layout = CodeLayout(argument: argument), CodeLayout.targets.contains(layout) {
      self.init(layout.gguf == nil ? .tritpack : .gguf, layout)
    } else {
      return nil
    }
  }

  /// The target whose files have such a name.
  init?(output: String) {
    guard let form = OutputPlace.form(named: output), let target = ConversionTarget(rawValue: form) else { return nil }
    self.init(target)
  }

  static var refusals: [String: String] { CodeLayout.refusals }

  var argumentDescription: String { layout?.rawValue ?? target.rawValue }
  static var valueName: String? { "format" }
  static var allowedArguments: [String] {
    ConversionTarget.allowedArguments + CodeLayout.targets.filter { $0.gguf != nil }.map(\.rawValue)
  }
  static var argumentExpectation: String { "one of " + allowedArguments.joined(separator: ", ") }
}

extension ConversionTarget {
  /// Refuses a name that promises another form.
  func checkName(_ output: String, asked: String) throws(ValidationError) {
    switch self {
    case .gguf: try OutputName.check(output, asked, writes: "a GGUF file", ending: rawValue)
    case .tritpack: try OutputName.check(output, asked, writes: "a TritPack file", ending: rawValue)
    default: try OutputName.check(output, asked, writes: "a folder or a .safetensors file", ending: "safetensors")
    }
  }
}

/// Names of outputs and what they promise.
enum OutputName {
  /// Endings of what is no model, or none that is written here.
  private static let others = ["tritdiff", "onnx"]

  /// Refuses a name that promises another form: a folder called m.gguf would be taken for what its name says.
  ///
  /// - Parameter writer: what writes it, as it is typed.
  static func check(
    _ output: String, _ writer: String, writes form: String, ending: String
  ) throws(ValidationError) {
    let other = others.first { output.lowercased().hasSuffix("." + $0) }
    guard let named = OutputPlace.form(named: output) ?? other, named != ending else { return }
    throw ValidationError(
      "\(writer) writes \(form), and '\(output)' is the name of something else; choose another name")
  }
}
