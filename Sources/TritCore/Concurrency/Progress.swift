// Tritsmith: how long work tells what it is doing.

/// A stage of a longer piece of work.
public struct ProgressPhase: Sendable, Hashable {
  /// What a phase counts.
  public enum Unit: Sendable, Hashable {
    case bytes
    case tokens
  }

  /// A present participle for people: "converting".
  public var name: String
  /// How much there is to do, in `unit`; 0 when that is not known.
  public var total: UInt64
  /// What `total` and the steps towards it count.
  public var unit: Unit

  /// A stage that reads or writes so many bytes.
  package init(name: String, totalBytes: UInt64) {
    (self.name, total, unit) = (name, totalBytes, .bytes)
  }

  /// A stage that runs so many tokens through a model.
  package init(name: String, totalTokens: Int) {
    (self.name, total, unit) = (name, UInt64(max(0, totalTokens)), .tokens)
  }
}

/// Told of progress from any thread.
public protocol ProgressObserver: Sendable {
  /// A phase begins; the one before has ended.
  func began(_ phase: ProgressPhase)
  /// So much more is done, in the unit of the phase.
  func advanced(by amount: Int)
  /// The tensor now worked on.
  func reached(_ item: String, number: Int, of count: Int)
  /// The phase is over, finished or not.
  func ended()
}

extension ProgressObserver {
  /// Does nothing: an observer need not know of tensors.
  public func reached(_ item: String, number: Int, of count: Int) {}
}

/// An observer that tells nobody.
package struct SilentProgress: ProgressObserver {
  package init() {}
  package func began(_ phase: ProgressPhase) {}
  package func advanced(by amount: Int) {}
  package func ended() {}
}
