// Tritsmith: timing.

import TritCore
import TritReport

/// Seconds of several runs of one thing.
struct Timing {
  var name: String
  /// Bytes one run goes through.
  var bytes: Int
  var seconds: [Double]

  /// Runs `body` once unmeasured and `runs` times measured.
  init(_ name: String, bytes: Int, runs: Int, _ body: () throws -> Void) rethrows {
    self.name = name
    self.bytes = bytes
    try body()
    seconds = []
    for _ in 0..<runs {
      let start = Platform.monotonicSeconds
      try body()
      seconds.append(Platform.monotonicSeconds - start)
    }
  }

  var median: Double { seconds.sorted()[seconds.count / 2] }
  var fastest: Double { seconds.min() ?? 0 }
  var slowest: Double { seconds.max() ?? 0 }
  var gigabytesPerSecond: Double { Double(bytes) / median / 1e9 }

  static func table(_ timings: [Timing], key: String, title: String) -> ReportTable {
    var table = ReportTable(
      key: key, title: title,
      columns: [
        ReportColumn("task", "Task"), ReportColumn("median_s", "Median", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("min_s", "Min", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("max_s", "Max", kind: .decimal(digits: 4), unit: "s"),
        ReportColumn("gb_per_s", "GB/s", kind: .decimal(digits: 2)),
      ])
    for timing in timings {
      table.append([
        .text(timing.name), .number(timing.median), .number(timing.fastest), .number(timing.slowest),
        .number(timing.gigabytesPerSecond),
      ])
    }
    return table
  }
}
