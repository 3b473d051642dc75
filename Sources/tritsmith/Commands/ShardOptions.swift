// Tritsmith: options of conversions in parts.

import CommandLineKit
import TritCertificates

/// A worker's place among all: `3/16`.
struct WorkerNumber: ExpressibleByArgument, Equatable {
  var worker: Int
  var count: Int

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let worker = parts[0], let count = parts[1], (1...ShardPlan.workerLimit).contains(count),
      (1...count).contains(worker)
    else { return nil }
    self.worker = worker
    self.count = count
  }

  static var argumentExpectation: String { "i/n with i from 1 to n, such as 3/16" }
}

/// Options that cut a conversion into parts.
struct ShardArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write the plan of a conversion in parts to this file; with --worker or --finish, carry it out.",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var plan: String?

  @Option(help: ArgumentHelp("Deliver part i of n of the plan, counted from 1; n is free.", valueName: "i/n"))
  var worker: WorkerNumber?

  @Flag(help: "Join the parts of the plan, prove the output, and put it in place.")
  var finish = false

  /// True when everything else is in the plan.
  var carriesOut: Bool { worker != nil || finish }

  func validate() throws {
    if worker != nil, finish { throw ValidationError("--worker and --finish are two steps") }
    if carriesOut, plan == nil { throw ValidationError("--worker and --finish need --plan") }
  }
}
