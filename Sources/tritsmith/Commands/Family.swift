// Tritsmith: `tritsmith family`.

import CommandLineKit
import TritCore
import TritFormats
import TritWorkflows

struct Family: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that several checkpoints are forms of one model.",
    discussion: """
      Takes any of the revisions a 1.58-bit model is published in (prequantized, bitnet, bfloat16), TritPack and GGUF \
      files, or one folder that holds them as subfolders. Every pair is compared in four parts. Weights: trits, scales and \
      all other tensors; latent weights are quantized anew, dense ternary ones taken by their signs. Description: every \
      setting that logits depend on. Tokenizer: vocabulary, merges, special ids, ids of hard texts. Companions: \
      generation settings and chat template.

      PASS needs the first three to hold in every pair; the first thing that does not is named. Exit code 0 on PASS, 1 \
      when something differs.
      """,
    examples: [
      .init("tritsmith family ./prequantized ./bitnet ./bfloat16", "The three revisions of Falcon-E."),
      .init("tritsmith family ./falcon-e-1b", "The same, as subfolders of one folder."),
    ], group: "Prove")

  @Argument(help: "Models, or a folder that holds them as subfolders.", completion: .file())
  var paths: [String]

  @Option(help: "Arithmetic latent weights are quantized with; the default is what outputs record, then the family's.")
  var arithmetic: Arithmetic?

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func run() throws {
    let passed = try reporting {
      let request = FamilyRequest(
        paths: try paths.map { try machine.model($0) }, open: machine.open(), quantizer: arithmetic?.quantizer.rawValue)
      let result = try FamilyWorkflow(request, work: machine.work()).run()
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
