// Tritsmith: `tritsmith family`.

import CommandLineKit
import TritCore
import TritFormats
import TritWorkflows

struct Family: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prove that checkpoints are forms of one model.",
    discussion: """
      Takes any of the revisions a 1.58-bit model is published in (prequantized, bitnet, bfloat16), TritPack and GGUF \
      files, or one folder that holds them as subfolders. For every pair it checks that trits are equal - latent weights \
      are quantized anew, dense ternary ones taken by their signs - that scales agree, and that all other tensors are \
      equal; the first tensor that does not fit is named. Exit code 0 when all belong together, 1 when not.
      """,
    examples: [
      .init("tritsmith family ./prequantized ./bitnet ./bfloat16", "The three revisions of Falcon-E."),
      .init("tritsmith family ./falcon-e-1b", "The same, as subfolders of one folder."),
    ])

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
