// Tritsmith: a progress bar that many threads may advance.

import Synchronization

/// Shows how far long work has come, on standard error and only when that is a terminal.
///
///     let bar = ProgressBar()
///     defer { bar.finish() }
///     bar.begin("quantizing", totalBytes: plan.inputBytes, items: plan.tensors.count)
///     bar.beginItem(named: tensor.name)
///     bar.advance(by: band.count)      // from any thread
///
/// Advancing costs an atomic addition and a look at the clock; the line is redrawn at most ten times a second.
package final class ProgressBar: Sendable {
  /// Where the bar is drawn, and the clock it goes by; injected in tests.
  package struct Surface: Sendable {
    /// Whether anything is drawn at all.
    package var isEnabled: Bool
    /// The columns available now; asked before every drawing because windows are resized.
    package var width: @Sendable () -> Int
    /// Nanoseconds of a monotonic clock.
    package var now: @Sendable () -> UInt64
    /// Receives control sequences and text.
    package var write: @Sendable (String) -> Void

    /// A surface from its parts.
    package init(
      isEnabled: Bool, width: @escaping @Sendable () -> Int, now: @escaping @Sendable () -> UInt64,
      write: @escaping @Sendable (String) -> Void
    ) {
      (self.isEnabled, self.width, self.now, self.write) = (isEnabled, width, now, write)
    }

    /// Standard error, when it is a terminal that understands cursor control.
    package static var standardError: Surface {
      Surface(
        isEnabled: Terminal.isTerminal(Terminal.standardError) && Platform.environment("TERM") != "dumb",
        width: { Terminal.width(of: Terminal.standardError) ?? 80 }, now: Platform.monotonicNanoseconds,
        write: StandardError.write)
    }

    /// Draws nothing, as `--quiet` wants.
    package static var plain: Surface {
      Surface(isEnabled: false, width: { 80 }, now: { 0 }, write: { _ in })
    }
  }

  /// What a phase counts.
  package enum Unit: Sendable, Hashable {
    /// Shown as sizes: "812 MB".
    case bytes
    /// Shown as numbers of something: "812 tokens".
    case count(of: String)
  }

  private struct Phase {
    var label = ""
    var unit = Unit.bytes
    var itemName = ""
    var item = 0
    var itemCount = 0
    var total: UInt64 = 0
    var start: UInt64 = 0
    var isShown = false
  }

  private static let interval: UInt64 = 100_000_000

  private let surface: Surface
  private let done = Atomic<UInt64>(0)
  private let nextDrawing = Atomic<UInt64>(0)
  private let phase = Mutex(Phase())

  /// A bar on a surface; nothing appears before the first phase begins.
  package init(surface: Surface = .standardError) {
    self.surface = surface
  }

  /// Starts a phase; zero bytes means that the total is unknown.
  package func begin(_ label: String, totalBytes: UInt64, items: Int = 0) {
    begin(label, total: totalBytes, unit: .bytes, items: items)
  }

  /// Starts a phase; a total of zero is one that is not known.
  package func begin(_ label: String, total: UInt64, unit: Unit, items: Int = 0) {
    guard surface.isEnabled else { return }
    phase.withLock { phase in
      let now = surface.now()
      phase = Phase(
        label: label, unit: unit, itemCount: items, total: total, start: now, isShown: phase.isShown)
      done.store(0, ordering: .relaxed)
      draw(&phase, at: now)
    }
  }

  /// Moves on to the next of the phase's items.
  package func beginItem(named name: String = "") {
    guard surface.isEnabled else { return }
    phase.withLock { phase in
      phase.item += 1
      phase.itemName = name
      let now = surface.now()
      if now >= nextDrawing.load(ordering: .relaxed) { draw(&phase, at: now) }
    }
  }

  /// Adds what is finished, in the unit of the phase; any thread may call it.
  package func advance(by amount: Int) {
    guard surface.isEnabled, amount > 0 else { return }
    done.wrappingAdd(UInt64(amount), ordering: .relaxed)
    let now = surface.now()
    guard now >= nextDrawing.load(ordering: .relaxed) else { return }
    // Whoever finds the lock taken leaves the drawing to the other thread.
    _ = phase.withLockIfAvailable { phase in
      if !phase.label.isEmpty, now >= nextDrawing.load(ordering: .relaxed) { draw(&phase, at: now) }
    }
  }

  /// Clears the line; call it before printing anything else and at the end.
  package func finish() {
    guard surface.isEnabled else { return }
    phase.withLock { phase in
      if phase.isShown { surface.write("\r\u{1B}[K") }
      phase = Phase()
    }
  }

  private func draw(_ phase: inout Phase, at now: UInt64) {
    nextDrawing.store(now &+ Self.interval, ordering: .relaxed)
    let frame = ProgressFrame(
      label: phase.label, unit: phase.unit, itemName: phase.itemName, item: phase.item, itemCount: phase.itemCount,
      done: done.load(ordering: .relaxed), total: phase.total,
      seconds: Double(now &- phase.start) / 1_000_000_000)
    // The last column stays free: many terminals wrap as soon as it is filled.
    surface.write("\r" + frame.line(width: surface.width() - 1) + "\u{1B}[K")
    phase.isShown = true
  }
}
