// Tritsmith: tests of the progress bar with a clock and a screen of their own.

import Synchronization
import Testing

@testable import CommandLineKit

@Suite struct ProgressTests {
  /// A clock set by hand and a screen that keeps every drawing.
  private final class Screen: Sendable {
    let time = Atomic<UInt64>(0)
    let lines = Lines()

    func bar(width: Int = 81) -> ProgressBar {
      ProgressBar(
        surface: .init(
          isEnabled: true, width: { width }, now: { self.time.load(ordering: .relaxed) },
          write: { self.lines.append($0) }))
    }

    func wait(milliseconds: UInt64) {
      time.wrappingAdd(milliseconds * 1_000_000, ordering: .relaxed)
    }

    /// The drawings without the control sequences around them.
    var drawings: [String] {
      lines.all.map { String($0.dropFirst().dropLast(3)) }
    }
  }

  @Test func drawsPhasesItemsRateAndTimeLeft() {
    let screen = Screen()
    let bar = screen.bar()
    bar.begin("quantizing", totalBytes: 4_000_000_000, items: 210)
    bar.beginItem(named: "blk.0.attn_q")
    screen.wait(milliseconds: 1000)
    bar.advance(by: 1_000_000_000)
    screen.wait(milliseconds: 1000)
    bar.advance(by: 3_000_000_000)
    bar.finish()
    let expected = [
      "quantizing  [                    ]    0 %  0/210",
      "quantizing  [====>               ]   25 %  1.0 GB/s  0:03 left  1/210  …0.attn_q",
      "quantizing  [====================]  100 %  2.0 GB/s  1/210  blk.0.attn_q",
      "",
    ]
    #expect(screen.drawings == expected)
    #expect(screen.lines.all.last == "\r\u{1B}[K")
  }

  @Test func redrawsAtMostTenTimesASecond() {
    let screen = Screen()
    let bar = screen.bar()
    bar.begin("reading", totalBytes: 1000)
    for _ in 0..<1000 {
      screen.wait(milliseconds: 1)
      bar.advance(by: 1)
    }
    #expect((10...11).contains(screen.lines.all.count))
  }

  @Test func noSurfaceNoOutput() {
    let lines = Lines()
    let bar = ProgressBar(surface: .init(isEnabled: false, width: { 80 }, now: { 0 }, write: { lines.append($0) }))
    bar.begin("x", totalBytes: 10)
    bar.advance(by: 10)
    bar.finish()
    #expect(lines.all.isEmpty)
  }

  @Test(arguments: 0...120)
  func everyWidthIsRespected(width: Int) {
    let frame = ProgressFrame(
      label: "quantizing", itemName: "model.layers.0.self_attn.q_proj.weight", item: 3, itemCount: 210,
      done: 123_456_789, total: 987_654_321, seconds: 12)
    #expect(frame.line(width: width).count <= width)
  }

  @Test func narrowTerminalsLoseTheLeastUsefulFirst() {
    let frame = ProgressFrame(
      label: "packing", itemName: "tensor", item: 3, itemCount: 9, done: 500_000_000, total: 1_000_000_000, seconds: 1)
    #expect(frame.line(width: 40) == "packing   50 %  500 MB/s  0:01 left")
    #expect(frame.line(width: 30) == "packing   50 %  0:01 left")
    #expect(frame.line(width: 15) == "packing   50 %")
    #expect(frame.line(width: 4) == "pack")
  }

  @Test func unknownTotalsShowTheAmount() {
    let frame = ProgressFrame(label: "reading", done: 12_300_000, total: 0, seconds: 2)
    #expect(frame.line(width: 60) == "reading  12 MB  6.2 MB/s")
  }

  @Test func tokensAreNoBytes() {
    let screen = Screen()
    let bar = screen.bar()
    bar.begin("comparing predictions", total: 1024, unit: .count(of: "tokens"))
    screen.wait(milliseconds: 2000)
    bar.advance(by: 256)
    #expect(
      screen.drawings.last == "comparing predictions  [====>               ]   25 %  128 tokens/s  0:06 left")
    let slow = ProgressFrame(label: "x", unit: .count(of: "tokens"), done: 7, total: 0, seconds: 2)
    #expect(slow.line(width: 60) == "x  7 tokens  3.5 tokens/s")
  }

  @Test func manyThreadsAddUp() async {
    let screen = Screen()
    let bar = screen.bar()
    bar.begin("adding", totalBytes: 80_000)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask { for _ in 0..<10_000 { bar.advance(by: 1) } }
      }
    }
    screen.wait(milliseconds: 200)
    bar.beginItem()
    #expect(screen.drawings.last?.contains("100 %") == true)
  }

  @Test(arguments: [(0, "0:00"), (0.2, "0:01"), (59.5, "1:00"), (754, "12:34"), (3723, "1:02:03"), (1e300, "99:59:59")])
  func clocks(seconds: Double, text: String) {
    #expect(ProgressFrame.clock(seconds) == text)
  }

  @Test(arguments: [
    (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9960, "10 kB"), (999_600, "1.0 MB"), (2.94e9, "2.9 GB"),
  ])
  func sizes(count: Double, text: String) {
    #expect(ProgressFrame.bytes(count) == text)
  }
}
