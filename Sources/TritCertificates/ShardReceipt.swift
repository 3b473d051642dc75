// Tritsmith: what a worker says about its part.

import TritConversion
import TritCore

/// The record beside a part: written last, so that a part without it is not there yet.
struct ShardReceipt: Sendable {
  static let schema = "tritsmith.shard"
  static let version = 1

  var plan: Digest
  var worker: Int
  var count: Int
  /// Hash of every tensor in the part, by its name in the output.
  var tensors: [(name: String, digest: Digest)]
  /// Dense tensors that were ternary already.
  var recognised: [String]

  var bytes: [UInt8] {
    SealedRecord.bytes(
      ShardReceipt.schema, version: ShardReceipt.version,
      [
        "plan_sha256": .string(plan.description), "worker": .number(JSONNumber(worker)),
        "workers": .number(JSONNumber(count)),
        "tensors": .array(
          tensors.map { .object(["name": .string($0.name), "sha256": .string($0.digest.description)]) }),
        "already_ternary": .array(recognised.map { .string($0) }),
      ])
  }

  init(plan: Digest, worker: Int, count: Int, tensors: [(name: String, digest: Digest)], recognised: [String]) {
    self.plan = plan
    self.worker = worker
    self.count = count
    self.tensors = tensors
    self.recognised = recognised
  }

  init(reading path: String) throws {
    let (object, _) = try SealedRecord.read(path, schema: ShardReceipt.schema, version: ShardReceipt.version)
    guard let plan = object["plan_sha256"]?.string.flatMap({ Digest(hex: $0) }),
      let worker = object["worker"]?.number?.integer, let count = object["workers"]?.number?.integer,
      let tensors = object["tensors"]?.array
    else { throw RecordError(.missing, file: path) }
    guard (1...ShardPlan.workerLimit).contains(count), (1...count).contains(worker) else {
      throw RecordError(.unknown(object["workers"]), file: path, field: "workers")
    }
    self.plan = plan
    self.worker = worker
    self.count = count
    self.tensors = try tensors.map { value in
      guard let name = value.object?["name"]?.string,
        let digest = value.object?["sha256"]?.string.flatMap({ Digest(hex: $0) })
      else { throw RecordError(.missing, file: path, field: "tensors") }
      return (name, digest)
    }
    recognised = object["already_ternary"]?.array?.compactMap(\.string) ?? []
  }
}
