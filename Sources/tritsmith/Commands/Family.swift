// Tritsmith: `tritsmith family`.

import CommandLineKit
import TritCore
import TritFormats
import TritInspection

struct Family: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that several checkpoints are forms of one model.",
    discussion: """
      Takes the revisions of a 1.58-bit model (prequantized, bitnet, bfloat16), TritPack and GGUF files, or one folder \
      that holds them as subfolders. A name on the Hub means all such revisions of it. Every pair is compared in four parts. Weights: trits, scales and all other tensors; latent weights are quantized \
      anew, dense ternary ones taken by their signs. Description: every setting that logits depend on. Tokenizer: \
      vocabulary, merges, special ids, ids of hard texts. Companions: generation settings and chat template.

      PASS needs the first three to hold in every pair; the first thing that does not is named. A model that cannot be \
      read is named with the reason, and the others are compared. Exit code 0 on PASS, 1 when something differs or \
      cannot be read.
      """,
    examples: [
      .init("tritsmith family ./prequantized ./bitnet ./bfloat16", "The three revisions of Falcon-E."),
      .init("tritsmith family ./falcon-e-1b", "The same, as subfolders of one folder."),
      .init("tritsmith family tiiuae/Falcon-E-1B-Base", "The same, as revisions on the Hub."),
    ], group: "Prove")

  @Argument(help: "Models, or a folder that holds them as subfolders.", completion: .file())
  var paths: [String]

  @Option(help: "Arithmetic that quantizes latents; the default is that recorded in outputs, then the family's.")
  var arithmetic: Arithmetic?

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    let passed = try reporting {
      var request = FamilyRequest(paths: [], open: machine.open(), quantizer: arithmetic?.quantizer.rawValue)
      for form in try paths.flatMap({ try NamedModel.forms(of: $0, offline: machine.offline) })
      where !request.paths.contains(form.path) {
        request.paths.append(form.path)
        request.names[form.path] = form.name
      }
      let result = try FamilyWorkflow(request, work: machine.work()).run()
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
