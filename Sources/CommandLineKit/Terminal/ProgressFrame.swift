// Tritsmith: one line of progress, as text.

/// The numbers behind one drawing of a progress bar.
struct ProgressFrame {
  var label: String
  var unit = ProgressBar.Unit.bytes
  var itemName = ""
  var item = 0
  var itemCount = 0
  var done: UInt64
  var total: UInt64
  var seconds: Double

  /// The line in at most `width` columns: parts drop out from the least to the most useful as room runs out.
  ///
  /// The name of the item takes what room is left, so that a longer name never moves the bar. Characters are counted,
  /// not columns; tensor names are close enough to ASCII for that.
  func line(width: Int) -> String {
    let label = Terminal.neutralized(label)
    let items = itemCount > 0 ? "\(item)/\(itemCount)" : ""
    let amount = total > 0 ? percentage : amount(Double(done))
    let candidates = [[amount, rate, timeLeft, items], [amount, rate, timeLeft], [amount, timeLeft], [amount]]
    for (index, parts) in candidates.enumerated() {
      let tail = parts.filter { !$0.isEmpty }.joined(separator: "  ")
      let room = width - label.count - tail.count - 2
      // Two widths only, or the bar would twitch whenever a number gains a digit.
      if total > 0 && index < 2, let barWidth = [22, 14].first(where: { $0 + 2 <= room }) {
        return named("\(label)  \(bar(barWidth))  \(tail)", width: width)
      }
      if room >= 0 && (total == 0 || index > 0) { return named("\(label)  \(tail)", width: width) }
    }
    return String("\(label) \(amount)".prefix(max(0, width)))
  }

  /// The line with as much of the item's name as fits; the end of a tensor's name tells most.
  private func named(_ line: String, width: Int) -> String {
    let name = Terminal.neutralized(itemName)
    let room = width - line.count - 2
    if name.isEmpty || room < min(8, name.count) { return line }
    return line + "  " + (name.count <= room ? name : "…" + name.suffix(room - 1))
  }

  private var fraction: Double {
    total == 0 ? 0 : min(1, Double(done) / Double(total))
  }

  /// Rounded down: 100 % means finished.
  private var percentage: String {
    let percent = String(Int(fraction * 100))
    return String(repeating: " ", count: max(0, 3 - percent.count)) + percent + " %"
  }

  private func bar(_ width: Int) -> String {
    let inner = width - 2
    let filled = Int(fraction * Double(inner))
    let head = filled > 0 && filled < inner ? ">" : ""
    let body = String(repeating: "=", count: max(0, filled - head.count)) + head
    return "[" + body + String(repeating: " ", count: inner - body.count) + "]"
  }

  /// The mean since the phase began; too early to say before a tenth of a second.
  private var perSecond: Double? {
    seconds >= 0.1 && done > 0 ? Double(done) / seconds : nil
  }

  private var rate: String {
    perSecond.map { amount($0) + "/s" } ?? ""
  }

  private var timeLeft: String {
    guard total > 0, let perSecond, done < total else { return "" }
    return Self.clock(Double(total - done) / perSecond) + " left"
  }

  private func amount(_ count: Double) -> String {
    switch unit {
    case .bytes: Self.bytes(count)
    case .count(let name): "\(Self.number(count)) \(name)"
    }
  }

  /// A number with two digits at least: "3.4", "812", "12345".
  static func number(_ count: Double) -> String {
    let tenths = Int((count * 10).rounded())
    return tenths >= 100 || tenths % 10 == 0 ? String(Int(count.rounded())) : "\(tenths / 10).\(tenths % 10)"
  }

  /// Decimal units with three significant digits at most: "812 MB", "1.2 GB".
  static func bytes(_ count: Double) -> String {
    var (value, unit) = (count, 0)
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5 && unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    let tenths = Int((value * 10).rounded())
    let number = unit == 0 || tenths >= 100 ? String(Int(value.rounded())) : "\(tenths / 10).\(tenths % 10)"
    return "\(number) \(units[unit])"
  }

  /// "0:07", "12:34", "1:02:03"; days are nobody's patience.
  static func clock(_ seconds: Double) -> String {
    let total = Int(min(max(0, seconds), 359_999).rounded(.up))
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }
}
