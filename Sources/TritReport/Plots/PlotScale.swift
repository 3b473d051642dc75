// Tritsmith: number lines: from values to places, and the round numbers between.

import LibC

/// Maps values to pixels, linearly or by their logarithm.
struct PlotScale: Sendable, Hashable {
  let lower: Double
  let upper: Double
  let isLog: Bool
  /// Pixels of `lower` and `upper`; for an upright axis the first is the larger.
  var start = 0.0
  var end = 1.0

  /// An axis over values: widened to round numbers unless its ends are given, with room for a single value.
  ///
  /// - Parameter isTight: keeps the ends of the data, as histograms and layers want it.
  init(over values: [Double], _ axis: ReportAxis, includesZero: Bool, isTight: Bool) {
    isLog = axis.scale == .log
    let isLog = isLog
    let usable = values.filter { $0.isFinite && (!isLog || $0 > 0) }
    var low = axis.lower ?? usable.min() ?? (isLog ? 1 : 0)
    var high = axis.upper ?? usable.max() ?? (isLog ? 10 : 1)
    if includesZero && !isLog { (low, high) = (axis.lower ?? min(0, low), axis.upper ?? max(0, high)) }
    if !(low < high) {
      // One value, or ends that contradict the data: some room on both sides.
      let room = isLog ? 0 : max(abs(low) * 0.1, 1e-9)
      (low, high) = isLog ? (low / 3, low * 3) : (low - room, low + room)
    }
    if !isTight {
      if isLog {
        if axis.lower == nil { low = pow(10, floor(log10(low) + 1e-9)) }
        if axis.upper == nil { high = pow(10, ceil(log10(high) - 1e-9)) }
      } else {
        let step = niceStep(high - low, about: 5)
        if axis.lower == nil { low = floor(low / step + 1e-9) * step }
        if axis.upper == nil { high = ceil(high / step - 1e-9) * step }
      }
    }
    (lower, upper) = (low, high)
  }

  /// The pixel of a value; nil where there is none. Values outside the axis are outside the pixels, too.
  func position(_ value: Double) -> Double? {
    guard value.isFinite, !isLog || value > 0 else { return nil }
    let share =
      isLog
      ? (log10(value) - log10(lower)) / (log10(upper) - log10(lower)) : (value - lower) / (upper - lower)
    return start + share * (end - start)
  }

  /// The pixel of a value, moved to the nearest end when outside.
  func clamped(_ value: Double) -> Double? {
    if isLog && value <= 0 { return start }
    return position(min(upper, max(lower, value)))
  }

  func contains(_ value: Double) -> Bool {
    value.isFinite && value >= lower - 1e-9 * abs(lower) && value <= upper + 1e-9 * abs(upper)
  }

  /// Round numbers within the axis, and the step between them (of a logarithmic axis: none).
  func ticks(about count: Int, wholeNumbers: Bool) -> (values: [Double], step: Double?) {
    if isLog { return (logTicks(about: count), nil) }
    let found = linearTicks(about: count, wholeNumbers: wholeNumbers)
    // One number tells no scale: from −3 to 3 steps of 5 leave 0 alone.
    guard found.values.count == 1 else { return found }
    let finer = linearTicks(about: 2 * count, wholeNumbers: wholeNumbers)
    return finer.values.count > 1 ? finer : found
  }

  private func linearTicks(about count: Int, wholeNumbers: Bool) -> (values: [Double], step: Double?) {
    var step = niceStep(upper - lower, about: count)
    if wholeNumbers { step = max(1, step.rounded(.up)) }
    let first = Int((lower / step - 1e-6).rounded(.up))
    let last = Int((upper / step + 1e-6).rounded(.down))
    guard first <= last, last - first < 1000 else { return ([], step) }
    return ((first...last).map { Double($0) * step }, step)
  }

  /// Powers of ten; with 2 and 5 between them when there are few.
  private func logTicks(about count: Int) -> [Double] {
    let first = Int(floor(log10(lower) + 1e-9))
    let last = Int(ceil(log10(upper) - 1e-9))
    guard first <= last, last - first < 700 else { return [] }
    let decades = last - first
    let stride = max(1, (decades + count) / max(1, count))
    let factors: [Double] = decades <= 2 ? [1, 2, 5] : [1]
    return Swift.stride(from: first, through: last, by: stride).flatMap { exponent in
      factors.map { $0 * pow(10, Double(exponent)) }
    }.filter(contains)
  }
}

/// The largest of 1, 2, 5 × 10ⁿ that gives at least about so many steps over a span.
func niceStep(_ span: Double, about count: Int) -> Double {
  guard span.isFinite, span > 0 else { return 1 }
  let raw = span / Double(max(1, count))
  let power = pow(10, floor(log10(raw)))
  for factor in [1.0, 2, 5] where raw <= factor * power * 1.0001 { return factor * power }
  return 10 * power
}

/// A tick's label: only the digits the step needs.
func tickText(_ value: Double, step: Double?, _ axis: ReportAxis) -> String {
  if value == 0 && step != nil { return "0" }
  if case .bytes = axis.kind { return NumberText.bytes(UInt64(max(0, min(value, 1e19)))) }
  if case .duration = axis.kind { return NumberText.duration(value) }
  guard let step else { return powerText(value) }
  let digits = max(0, Int((-log10(step) - 1e-9).rounded(.up)))
  if case .fraction = axis.kind { return NumberText.percent(value, digits: max(0, digits - 2)) }
  if abs(value) >= 1e6 || (value != 0 && digits > 6) { return NumberText.significant(value, digits: 3) }
  if digits == 0 && abs(value) >= 1000 { return NumberText.grouped(Int(value.rounded())) }
  return minusSign(NumberText.fixed(value, digits: digits))
}

/// Powers of ten with a raised exponent where digits would be many.
private func powerText(_ value: Double) -> String {
  let exponent = log10(value).rounded()
  let isPower = abs(log10(value) - exponent) < 1e-9
  guard isPower, abs(exponent) > 3 else {
    return NumberText.significant(value, digits: value >= 10 && value < 1e6 ? Int(log10(value)) + 1 : 1)
  }
  let raised: [Character: Character] = [
    "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹",
  ]
  return "10" + String(String(Int(exponent)).map { raised[$0] ?? $0 })
}

/// The typographic minus, as wide as a plus.
func minusSign(_ text: String) -> String {
  text.first == "-" ? "−" + text.dropFirst() : text
}
