// Tritsmith: conversions that go on where they were interrupted.

import TritConversion
import TritCore
import TritFormats
import TritSurvey

/// Converts as `ConvertWorkflow` does, and keeps what is complete and proved until everything is.
///
/// It is a conversion in parts (`ShardWorkflow`) in one process: each part is audited and gets a receipt, and a run after
/// an interruption makes those that have none. Plan, parts and receipts stand in a folder beside the output, which one
/// run at a time works in, and which is removed when the output is in place.
package struct ResumableConversion: Sendable {
  let request: ConversionRequest
  let work: WorkOptions

  package init(_ request: ConversionRequest, work: WorkOptions = WorkOptions()) {
    self.request = request
    self.work = work
  }

  /// Where the parts of an output wait for each other.
  package static func folder(of output: String) -> String {
    FileSystem.sibling(FileSystem.name(of: output) + ".resume", of: output)
  }

  /// Converts what earlier runs have left to do, then joins and proves the output and puts it in place.
  ///
  /// - Parameter announce: called with the plan before anything is converted.
  /// - Throws: `ShardError.interrupted` in place of a plain interruption: what is complete stays.
  package func run(announce: (ConversionPlan) -> Void = { _ in }) throws -> ShardFinishResult {
    try OutputPlace.check(request)
    let folder = ResumableConversion.folder(of: request.output)
    let lock = try FolderLock(folder)
    defer { lock.removeIfEmpty() }
    let plan = FileSystem.join(folder, "plan.json")
    let isNew = FileSystem.kindWithoutFollowing(plan) == nil
    let shards = isNew ? try ShardPlan.make(request, at: plan, work: work) : try continued(plan)
    let result = try complete(ShardWorkflow(shards, work: work), isNew: isNew, folder, announce)
    StagedOutput.discard(plan)
    return result
  }

  /// The plan an earlier run left, when it is of this conversion.
  private func continued(_ path: String) throws -> ShardPlan {
    var shards = try ShardPlan(reading: path, open: request.open)
    let wanted = ShardPlan.absolute(request)
    guard shards.request.input == wanted.input else {
      let (begun, asked) = (printable(shards.request.input), printable(wanted.input))
      throw ShardError(.otherConversion("it reads \(begun), not \(asked)"), file: path)
    }
    let records = [shards.request, wanted].map { JSONValue.object(RequestRecord.json($0)).serialized() }
    guard records[0] == records[1] else {
      throw ShardError(.otherConversion("it was begun with other options"), file: path)
    }
    // Parts that were moved with their folder are those of the output beside it.
    (shards.request.output, shards.request.replaces) = (wanted.output, request.replaces)
    return shards
  }

  /// A plan under the paths that were given; its own are absolute.
  private func named(_ plan: ConversionPlan) -> ConversionPlan {
    var plan = plan
    (plan.request.input, plan.request.output) = (request.input, request.output)
    return plan
  }

  private func complete(
    _ workflow: ShardWorkflow, isNew: Bool, _ folder: String, _ announce: (ConversionPlan) -> Void
  ) throws -> ShardFinishResult {
    let start = Platform.monotonicSeconds
    var earlier = 0
    var done = 0
    var runs: [[Int]] = []
    do {
      let (source, plan) = try workflow.shards.open()
      announce(named(plan))
      // Parts and output stand side by side for a while.
      if isNew { try OutputPlace.checkSpace(2 * UInt64(plan.outputBytes), for: request.output) }
      runs = ShardPlan.runs(plan)
      for (index, run) in runs.enumerated() {
        if try !isNew && workflow.isDelivered(run, plan, worker: index + 1, of: runs.count) {
          earlier += 1
        } else {
          // What was read is never replaced.
          StagedOutput.discard(workflow.shards.partPath(index + 1, of: runs.count))
          _ = try workflow.deliver(run, source, plan, worker: index + 1, of: runs.count)
        }
        done += 1
      }
      var result = try workflow.finish()
      result.plan = named(result.plan)
      result.earlier = earlier
      result.seconds = Platform.monotonicSeconds - start
      return result
    } catch {
      // A plan alone is not worth a folder.
      if isNew, done == 0 { StagedOutput.discard(workflow.shards.path) }
      guard done > 0, (error as? any DiagnosticError)?.category == .interrupted else { throw error }
      throw ShardError(.interrupted(done: done, of: runs.count), file: folder)
    }
  }
}
