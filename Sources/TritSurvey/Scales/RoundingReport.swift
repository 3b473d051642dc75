// Tritsmith: what another type did to numbers.

import TritReport

/// How far values moved when they were stored in another type.
@usableFromInline package struct RoundingReport: Sendable, Hashable {
  package var count = 0
  /// Values that are not the same any more.
  @usableFromInline package var changed = 0
  /// max |before − after|; infinite when a number has become an infinity or NaN.
  @usableFromInline package var largest = 0.0
  /// Of those that changed, how many are 0 now.
  @usableFromInline package var vanished = 0
  /// Of those that changed, how many ggml's own encoder would have stored as another number.
  package var otherEncoder = 0
  /// Of those that changed, how many are one number in a GGUF file, which holds another in their place.
  package var roundTripped = 0
  /// The numbers that GGUF files hold others for, where any were round-tripped.
  package var roundTripName: String?

  package init() {}

  package mutating func add(_ other: RoundingReport) {
    count += other.count
    changed += other.changed
    largest = max(largest, other.largest)
    vanished += other.vanished
    otherEncoder += other.otherEncoder
    roundTripped += other.roundTripped
    roundTripName = roundTripName ?? other.roundTripName
  }

  @inlinable
  package mutating func add(_ before: Float, _ after: Float) {
    guard before != after else { return }
    changed += 1
    if after == 0 { vanished += 1 }
    largest = before.isFinite && after.isFinite ? max(largest, abs(Double(before) - Double(after))) : .infinity
  }

  /// A size of rounding for people.
  package static func text(_ value: Double) -> String { NumberText.significant(value, digits: 4) }

  /// For people; `how` names the types.
  package func phrase(_ how: String) -> String {
    let roundTrip = "equal after the GGUF round trip of \(roundTripName ?? "the tensor")"
    if roundTripped == changed, changed > 0 {
      return
        "\(grouped(changed)) of \(plural(count, "value")) \(roundTrip), by at most \(RoundingReport.text(largest))"
    }
    var text =
      "\(grouped(changed)) of \(plural(count, "value")) rounded \(how), by at most \(RoundingReport.text(largest))"
    if vanished > 0 { text += "; \(grouped(vanished)) of them \(vanished == 1 ? "is" : "are") 0 now" }
    if roundTripped > 0 { text += "; \(grouped(roundTripped)) of them \(roundTrip)" }
    if otherEncoder > 0 { text += "; \(otherEncoder) as another encoder than ggml's reference rounds them" }
    return text
  }
}
