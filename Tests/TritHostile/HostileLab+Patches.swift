// Tritsmith: hostile patches and adapters: what is applied to a model one has.

import TritConversion
import TritCore
import TritDiff
import TritFormats
import TritMerge
import TritReport
import TritSurvey
import TritTestSupport

extension HostileLab {
  /// Inspects a patch and applies it to its base, as it is or to be converted.
  func probePatch(_ bytes: [UInt8], _ log: inout HostileLog) {
    let seed = HostileLab.hash(bytes)
    let path = folder + "/single/patch.tritdiff"
    Disk.write(bytes, path)
    defer { Disk.remove(path) }
    guard let summary = log.attempt("patch", { try PatchSummary(path: path, work: work) }) else { return }
    for format in ReportFormat.allCases { show(summary.report(path: path), format) }
    let output = folder + "/patched"
    var request = ApplyRequest(base: patchBase, patch: path, output: output)
    if seed & 1 == 0 { request.openBase.access = .mapped }
    if seed >> 1 & 3 == 0 {
      let targets = ConversionTarget.allCases
      request.conversion = ConversionRequest(
        input: patchBase, output: output, target: targets[Int(seed >> 8 % UInt64(targets.count))])
    }
    if let result = log.attempt("apply", { try ApplyWorkflow(request, work: work).run() }) {
      show(result.report, .table)
      // Every hash a patch states was found, yet what it gives need not be a model.
      if request.conversion != nil { log.attempt("patched") { try ModelOpener.open(output, hasCompanions: true) } }
    } else if FileSystem.kind(of: output) != nil {
      log.blame("a patch that failed left an output")
    }
    Disk.remove(output)
  }

  /// Merges an adapter of which one file is hostile.
  func probeAdapter(_ bytes: [UInt8], _ log: inout HostileLog) {
    let isConfiguration = bytes.first == UInt8(ascii: "{")
    let valid = HostileTarget.adapter.folder
    Disk.write(isConfiguration ? bytes : Disk.bytes(valid + "/valid-config"), adapterFolder + "/adapter_config.json")
    Disk.write(
      isConfiguration ? Disk.bytes(valid + "/valid-weights") : bytes, adapterFolder + "/adapter_model.safetensors")
    let output = folder + "/merged"
    let request = MergeRequest(base: adaptedFolder, adapter: adapterFolder, output: output)
    if let result = log.attempt("merge", { try MergeWorkflow(request, work: work).run() }) {
      for format in ReportFormat.allCases { show(result.report, format) }
      do {
        _ = try ModelOpener.open(output, hasCompanions: true)
      } catch {
        log.blame("what was merged does not open: \(error)")
      }
    } else if FileSystem.kind(of: output) != nil {
      log.blame("a merge that failed left an output")
    }
    Disk.remove(output)
  }

  /// A model as the target of a patch from itself, and the patch applied again: the same bytes.
  func diff(_ path: String, _ log: inout HostileLog) {
    // What a patch of more tensors takes is measured of the command: here all that came before is resident as well.
    if let source = try? FormatRegistry.open(path), source.manifest.tensors.count > 20_000 { return }
    let patch = folder + "/own.tritdiff"
    let output = folder + "/again"
    let isMade = log.attempt("diff") {
      try DiffWorkflow(DiffRequest(base: path, target: path, output: patch), work: work).run()
    }
    if isMade != nil {
      do {
        _ = try ApplyWorkflow(ApplyRequest(base: path, patch: patch, output: output), work: work).run()
      } catch {
        log.blame("a model's own patch does not apply: \(error)")
      }
    }
    Disk.remove(output)
    Disk.remove(patch)
  }
}
