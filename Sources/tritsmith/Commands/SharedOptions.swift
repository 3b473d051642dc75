// Tritsmith: options that several commands have.

import CommandLineKit
import TritCore
import TritFormats
import TritHub
import TritKernels
import TritLayouts
import TritReport
import TritSurvey
import TritVerification

extension ReportFormat: ExpressibleByArgument {}
extension ScaleConvention: ExpressibleByArgument {
  package static var valueName: String? { "meaning" }
}
extension KernelChoice: ExpressibleByArgument {
  package static var valueName: String? { "choice" }
}
extension ConversionTarget: ExpressibleByArgument {}

extension GGMLTypeChoice: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
  package static var allowedArguments: [String] { known }
  package static var argumentExpectation: String { "one of " + known.joined(separator: ", ") }
  static let help = ArgumentHelp(
    "Meaning of a type number of a GGUF file, where offsets do not tell.",
    valueName: "number=name")
}

/// The name of the one option of these that was given; nil for none.
/// - Throws: when several were, with their names.
func atMostOne(_ options: KeyValuePairs<String, String?>) throws(ValidationError) -> String? {
  let given = options.compactMap { $0.value == nil ? nil : $0.key }
  guard given.count > 1 else { return given.first }
  let names = given.dropLast().joined(separator: ", ") + " and " + (given.last ?? "")
  throw ValidationError("\(names) were given: give one of them")
}

/// How results are printed.
struct OutputOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Format of the printed result.", isUsual: true))
  var format = ReportFormat.table

  @Option(help: ArgumentHelp("When to use colour.", valueName: "when"))
  var color = ColorPolicy.auto

  @Flag(
    name: [.long, .customShort("v")],
    help: ArgumentHelp("Show every row and every fact; other formats always have them.", isUsual: true))
  var all = false

  @Flag(help: "Show every column, however wide the terminal is, and rows that are alike one by one.")
  var wide = false

  @Flag(help: "Spell out invisible characters in CSV and Markdown for a file too, as on a terminal.")
  var spellOut = false

  @Flag(help: "Put no apostrophe before text in CSV that a spreadsheet takes for a formula.")
  var keepFormulas = false

  /// The columns of the terminal; nil where everything is shown, as a pipe wants.
  var width: Int? { Terminal.isTerminal(1) && !wide ? Terminal.width() : nil }

  /// Prints a report to standard output.
  ///
  /// - Parameter quietly: a table of a check that passed, or of work that is done, is not printed; what was asked for
  ///   in another format is.
  func print(_ report: ReportDocument, quietly: Bool = false) {
    guard !(quietly && format == .table && report.isGood) else { return }
    var output = StandardOutput.shared
    format.renderer(
      width: width, height: width == nil ? nil : Terminal.height(), usesColor: color.isEnabled(on: 1),
      showsDetails: all, foldsRows: !wide,
      spellsOut: spellOut || Terminal.isTerminal(1), keepsFormulas: keepFormulas
    ).render(report, to: &output)
  }
}

/// Parts of a model by name, with commas between.
struct PartList: ExpressibleByArgument {
  var parts: Set<ModelPart>

  init?(argument: String) {
    let names = argument.split(separator: ",", omittingEmptySubsequences: false)
    let found = names.compactMap { ModelPart(rawValue: $0.lowercased()) }
    guard !found.isEmpty, found.count == names.count else { return nil }
    parts = Set(found)
  }

  static var argumentExpectation: String {
    "one or more of " + ModelPart.allCases.map(\.rawValue).joined(separator: ", ") + ", with commas between"
  }
}

/// What a proof's verdict rests on.
struct PartArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Limit the verdict to some of weights, description, tokenizer, companions.", valueName: "part,part",
      isUsual: true))
  var parts: PartList?

  /// The first three, unless something else was asked for.
  var needed: Set<ModelPart> { parts?.parts ?? ModelPart.needed }
}

/// The name of a pre-tokenizer, as a user gives it.
struct PreTokenizerName: ExpressibleByArgument, Equatable {
  var name: String

  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    name = argument
  }

  static var argumentExpectation: String { "the name of a pre-tokenizer" }

  /// What a verdict says that rests on it.
  var remark: String { "GGUF tokenizers read as '\(printable(name))', as asked" }
}

extension ArgumentHelp {
  /// Of the option `--gguf-pre` of commands that read.
  static let preTokenizer = ArgumentHelp(
    "Name of the pre-tokenizer of a GGUF file that names none, or a wrong one.", valueName: "name", isDetail: true)
}

extension ArgumentHelp {
  /// Of the option `--offline` of commands that read models.
  static let offline = ArgumentHelp("Never use the network: take local and cached models only.")
}

/// Where a model is that a user names.
enum NamedModel {
  /// A path that exists, or of a download cache, or of the Hub itself: `HubResolver` says in which order.
  static func path(of given: String, offline: Bool) throws -> String {
    // What the network has begun is to end at once.
    if FileSystem.kind(of: given) == nil, HubName(given) != nil { InterruptMonitor.install() }
    let cancellation = CancellationFlag(alsoWhen: { InterruptMonitor.isInterrupted })
    return try HubResolver(isOffline: offline, cancellation: cancellation).path(of: given)
  }

  /// The same of every form that a family publishes under one name, with the names they go by.
  static func forms(of given: String, offline: Bool) throws -> [(path: String, name: String?)] {
    if FileSystem.kind(of: given) == nil, HubName(given) != nil { InterruptMonitor.install() }
    let cancellation = CancellationFlag(alsoWhen: { InterruptMonitor.isInterrupted })
    let resolver = HubResolver(isOffline: offline, cancellation: cancellation)
    return try resolver.forms(of: given).map { name in
      let path = try resolver.path(of: name)
      return (path, path == name ? nil : name)
    }
  }

  /// Makes a path that `path(of:)` gave to an earlier run one that can be read; nothing for one of this machine.
  static func findAgain(_ path: String, offline: Bool) throws {
    let cancellation = CancellationFlag(alsoWhen: { InterruptMonitor.isInterrupted })
    try HubResolver(isOffline: offline, cancellation: cancellation).findAgain(path)
  }
}

/// A page with plots beside the printed result.
struct PageOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Also write a page with plots and definitions; '-' prints it instead.", valueName: "file", isUsual: true,
      takesStream: true),
    completion: .file(extensions: ["html"]))
  var html: String?

  @Flag(help: "Replace an existing file.")
  var force = false

  var isWanted: Bool { html != nil }

  /// Checks the place of the page; call before the work begins.
  ///
  /// - Parameter inputs: files and folders the command reads.
  func prepare(reading inputs: [String?]) throws -> PageFile? {
    guard let html else { return nil }
    guard html != "-" else {
      try ReadFiles.checkStandardOutput(before: inputs.compactMap { $0 })
      return nil
    }
    // From here on a partial file stands there, which an interrupt must not leave.
    InterruptMonitor.install()
    return try PageFile(at: html, replacing: force, reading: inputs.compactMap { $0 })
  }

  /// Writes the page if one is wanted, and prints the report unless the page takes its place.
  func finish(
    _ file: PageFile?, page: @autoclosure () -> ReportDocument, printing output: OutputOptions,
    _ report: ReportDocument, quietly: Bool = false
  ) throws {
    try file?.write(page())
    guard html == "-" else {
      output.print(report, quietly: quietly)
      // Beside the result, which may be data of another program.
      if let html, !quietly { StandardError.explain("page: \(Terminal.neutralized(html))\n") }
      return
    }
    var standard = StandardOutput.shared
    HTMLRenderer().render(page(), to: &standard)
  }
}

/// How the machine is used, which changes no result, and what every command that opens a model must be told where a file
/// leaves it open.
struct MachineOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads; 0 means one for each processor.", valueName: "count"))
  var threads = 0

  @Option(help: "Arithmetic: instructions of this processor, or plain Swift. The results are the same.")
  var kernels = KernelChoice.auto

  @Flag(
    inversion: .prefixedNo,
    help:
      "Map files instead of reading them into buffers. Memory is then not bounded, and a mapped file that shrinks meanwhile ends the program."
  )
  var mmap = false

  @Flag(help: "Accept files of a model folder that are links to somewhere else.")
  var followLinks = false

  @Option(help: GGMLTypeChoice.help)
  var ggufType: [GGMLTypeChoice] = []

  @Flag(help: .offline)
  var offline = false

  @Flag(name: [.long, .short], help: "Print nothing on success but data that was asked for.")
  var quiet = false

  /// The path of a model that was given as a path or by its name on the Hub.
  func model(_ given: String) throws -> String { try NamedModel.path(of: given, offline: offline) }

  func validate() throws {
    try ValidationError.check("--threads", threads, in: 0...256)
  }

  /// - Parameter scaleOption: the option of the command that says what this model's scales mean; nil where it has none.
  func open(
    _ scaleConvention: ScaleConvention? = nil, _ i2sOrder: I2SOrder? = nil, preTokenizer: String? = nil,
    scaleOption: String? = nil
  ) -> OpenOptions {
    var options = OpenOptions(
      access: mmap ? .mapped : .buffered, scaleConvention: scaleConvention, i2sOrder: i2sOrder,
      preTokenizer: preTokenizer, ggmlTypes: ggufType, followsLinks: followLinks)
    options.scaleOption = scaleOption
    return options
  }

  func work() throws -> WorkOptions {
    InterruptMonitor.install()
    if mmap { MappedFileGuard.install() }
    let cancellation = CancellationFlag(alsoWhen: { InterruptMonitor.isInterrupted })
    return WorkOptions(
      parallelism: Parallelism(threads: threads, cancellation: cancellation), kernels: try kernels.kernels(),
      progress: quiet ? SilentProgress() : TerminalProgress())
  }
}

/// Shows progress on standard error when that is a terminal.
struct TerminalProgress: ProgressObserver {
  private let bar = ProgressBar()

  func began(_ phase: ProgressPhase) {
    let unit: ProgressBar.Unit =
      switch phase.unit {
      case .bytes: .bytes
      case .tokens: .count(of: "tokens")
      }
    bar.begin(phase.name, total: phase.total, unit: unit)
  }
  func advanced(by amount: Int) { bar.advance(by: amount) }
  func reached(_ item: String, number: Int, of count: Int) { bar.beginItem(named: item) }
  func ended() { bar.finish() }
}
