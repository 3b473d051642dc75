// Tritsmith: what `--to` and the name of an output say.

import CommandLineKit
import TritConversion
import TritLayouts
import TritSurvey

/// How TritPack and GGUF store trits.
enum CodeLayout: String, CaseIterable, ExpressibleByArgument {
  case base3
  case twoBit = "two-bit"
  case tq1 = "TQ1_0"
  case tq2 = "TQ2_0"
  case q2 = "Q2_0"
  case pq2 = "PQ2_0"
  case ptq1 = "PTQ1_0"
  case i2s = "I2_S"
  case bf16 = "BF16"
  case f16 = "F16"
  case f32 = "F32"

  /// What GGUF calls it; nil for TritPack's own.
  var gguf: GGUFWeightType? { GGUFWeightType(rawValue: rawValue) }

  /// What can be said in place of a target: `--to tq2_0`. A type of ordinary numbers may be that of other targets.
  static let targets = allCases.filter { ![.bf16, .f16, .f32].contains($0) }
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

  var argumentDescription: String { layout?.rawValue ?? target.rawValue }
  static var valueName: String? { "format" }
  static var allowedArguments: [String] {
    ConversionTarget.allowedArguments + CodeLayout.targets.filter { $0.gguf != nil }.map(\.rawValue)
  }
  static var argumentExpectation: String { "one of " + allowedArguments.joined(separator: ", ") }
}

extension ConversionTarget {
  /// Refuses a name that promises another form: a folder called m.gguf would be taken for what its name says.
  func checkName(_ output: String, asked: String) throws(ValidationError) {
    let isOneFile = self == .gguf || self == .tritpack
    guard let named = OutputPlace.form(named: output), named != rawValue, isOneFile || named != "safetensors" else {
      return
    }
    let form = isOneFile ? "a \(self == .gguf ? "GGUF" : "TritPack") file" : "a folder or a .safetensors file"
    throw ValidationError("\(asked) writes \(form), and '\(output)' is the name of something else; choose another name")
  }
}
