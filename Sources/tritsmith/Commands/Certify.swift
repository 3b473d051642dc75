// Tritsmith: `tritsmith certify`.

import CommandLineKit
import TritCertificates
import TritCore

struct Certify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Repeat a conversion and compare every byte.",
    discussion: """
      A certificate names hashes of inputs and outputs, the recipe, the audit and the version of this program. It names \
      no time, machine or folder. 'tritsmith convert --certificate' makes one, too. --check compares the files that are here, \
      converts again under a temporary name, and compares every byte. Without paths, the models are looked for beside \
      the certificate. Exit code 0 when all is equal, 1 when not.
      """,
    examples: [
      .init("tritsmith certify --check bitnet.json", "Source and output stand beside the certificate."),
      .init("tritsmith certify ./prequantized ./bitnet --check bitnet.json", "They stand elsewhere."),
      .init("tritsmith certify ./prequantized ./bitnet -o bitnet.json", "For a conversion done before."),
    ], group: "Prove")

  @Argument(help: "The source model.", completion: .file())
  var source: String?

  @Argument(help: "The converted model.", completion: .file())
  var output: String?

  @Option(
    help: ArgumentHelp("The certificate to check.", valueName: "file"), completion: .file(extensions: ["json"]))
  var check: String?

  @Option(
    name: [.customLong("output"), .customShort("o")],
    help: ArgumentHelp("Write a certificate of an earlier conversion to this file.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var place: String?

  @Option(
    help: ArgumentHelp(
      "Folder to convert in; the output's size is needed there for a while. The default is the certificate's folder, or "
        + "that of the output.", valueName: "folder"), completion: .directory)
  var scratch: String?

  @Flag(help: "Compare hashes of the files that are here; do not convert.")
  var hashesOnly = false

  @Flag(help: "Replace an existing output.")
  var force = false

  @OptionGroup(title: "Output") var printing: OutputOptions
  @OptionGroup(title: "Machine") var machine: MachineOptions

  func validate() throws {
    switch (check, place) {
    case (nil, nil), (.some, .some): throw ValidationError("give --check or --output")
    case (nil, .some):
      if source == nil || output == nil { throw ValidationError("--output needs <source> and <output>") }
      if hashesOnly { throw ValidationError("--hashes-only goes with --check") }
    case (.some, nil):
      if force { throw ValidationError("--force goes with --output") }
    }
  }

  func run() throws {
    let passed = try reporting {
      var request = CertifyRequest()
      let source = try source.map { try machine.model($0) }
      let output = try output.map { try machine.model($0) }
      request.source = source
      request.output = output
      request.scratch = scratch
      request.hashesOnly = hashesOnly
      request.open = machine.open()
      let workflow = CertifyWorkflow(request, work: try machine.work())
      let result: CertifyResult
      if let check {
        result = try workflow.check(check)
      } else {
        result = try workflow.certify(source: source ?? "", output: output ?? "", place: place ?? "", replacing: force)
      }
      printing.print(result.report, quietly: machine.quiet)
      return result.passed
    }
    if !passed { throw ExitRequest(.checkFailed) }
  }
}
