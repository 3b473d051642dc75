// Tritsmith: hostile certificates, plans of conversions in parts, and receipts of workers.

import TritCertificates
import TritConversion
import TritCore
import TritFormats
import TritModel
import TritReport
import TritSurvey
import TritTestSupport

/// Folders for records, and a conversion in one part that waits for its end.
struct RecordLab {
  let folder: String
  /// The model every record is about.
  let base: String
  /// Where a certified conversion is done again.
  let scratch: String
  /// Where a plan puts its output.
  let output: String
  private let plan: Digest
  /// The conversion that waits.
  let waiting: ShardWorkflow
  private let part: (path: String, bytes: [UInt8])
  private let receiptPath: String

  init(folder: String, base: String, work: WorkOptions) {
    (self.folder, self.base) = (folder, base)
    (scratch, output) = (folder + "/scratch", folder + "/joined")
    let path = folder + "/waiting/plan.json"
    for name in [folder, scratch, folder + "/waiting"] { Disk.makeFolder(name) }
    let request = ConversionRequest(input: base, output: output, target: .dense)
    do {
      waiting = ShardWorkflow(try ShardPlan.make(request, at: path, work: work), work: work)
      guard let made = try waiting.run(worker: 1, of: 1).part else { preconditionFailure("the base has tensors") }
      part = (made, Disk.bytes(made))
    } catch {
      preconditionFailure("the base of the corpus is converted: \(error)")
    }
    plan = SHA256.digest(of: Disk.bytes(path))
    receiptPath = path + ".part-1-of-1.json"
  }

  /// Puts the part back and a receipt beside it.
  func deliver(_ receipt: [UInt8]) {
    Disk.write(part.bytes, part.path)
    Disk.write(receipt, receiptPath)
  }

  /// A record by this version, about this lab, with a right seal; nil for bytes that are no object.
  func sealed(_ bytes: [UInt8]) -> [UInt8]? {
    guard var object = (try? JSONValue.parse(bytes))?.object else { return nil }
    func put(_ key: String, _ text: String) {
      if object[key]?.string != nil { object[key] = .string(text) }
    }
    put("generator", Product.generator)
    switch object["schema"]?.string {
    case "tritsmith.shards":
      put("input", base)
      put("output", output)
    case "tritsmith.shard": put("plan_sha256", plan.description)
    default: break
    }
    object.entries.removeAll { $0.key == "sealed_sha256" }
    let seal = SHA256.digest(of: JSONValue.object(object).serialized())
    object.add("sealed_sha256", .string(seal.description))
    return JSONValue.object(object).serialized(.pretty)
  }
}

extension HostileLab {
  func probeRecord(_ bytes: [UInt8], _ log: inout HostileLog) {
    probeCertificate(bytes, &log)
    probePlan(bytes, &log)
    probeReceipt(bytes, &log)
  }

  /// Does the conversion of a certificate again.
  private func probeCertificate(_ bytes: [UInt8], _ log: inout HostileLog) {
    let path = records.folder + "/certificate.json"
    Disk.write(bytes, path)
    defer { Disk.remove(path) }
    guard log.attempt("certificate", { try Certificate(reading: path) }) != nil else { return }
    var request = CertifyRequest()
    (request.source, request.scratch) = (records.base, records.scratch)
    request.hashesOnly = HostileLab.hash(bytes) & 3 == 0
    let result = log.attempt("certify") { try CertifyWorkflow(request, work: work).check(path) }
    if let result { for format in ReportFormat.allCases { show(result.report, format) } }
    if !Disk.names(records.scratch).isEmpty { log.blame("a conversion that was only repeated left an output") }
  }

  /// Carries out a plan that stays in the lab.
  private func probePlan(_ bytes: [UInt8], _ log: inout HostileLog) {
    let folder = records.folder + "/planned"
    Disk.makeFolder(folder)
    defer { Disk.remove(folder) }
    let path = folder + "/plan.json"
    Disk.write(bytes, path)
    guard let plan = log.attempt("plan", { try ShardPlan(reading: path) }), plan.request.input == records.base,
      plan.request.output == records.output
    else { return }
    let count = 1 + Int(HostileLab.hash(bytes) % 3)
    let workflow = ShardWorkflow(plan, work: work)
    for worker in 1...count {
      if let result = log.attempt("worker", { try workflow.run(worker: worker, of: count) }) {
        show(result.report, .json)
      }
    }
    finish(workflow, &log)
  }

  /// Ends the conversion that waits for this receipt.
  private func probeReceipt(_ bytes: [UInt8], _ log: inout HostileLog) {
    records.deliver(bytes)
    finish(records.waiting, &log)
  }

  private func finish(_ workflow: ShardWorkflow, _ log: inout HostileLog) {
    if let result = log.attempt("finish", { try workflow.finish() }) {
      show(result.report, .table)
      do {
        _ = try ModelOpener.open(records.output, hasCompanions: true)
      } catch {
        log.blame("what was joined does not open: \(error)")
      }
    } else if FileSystem.kind(of: records.output) != nil {
      log.blame("a conversion in parts that failed left an output")
    }
    Disk.remove(records.output)
  }
}
