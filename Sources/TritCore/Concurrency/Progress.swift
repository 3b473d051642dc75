// Tritsmith: how long work tells what it is doing.

/// A stage of a longer piece of work.
public struct ProgressPhase: Sendable, Hashable {
  /// A present participle for people: "converting".
  public var name: String
  public var totalBytes: UInt64

  public init(name: String, totalBytes: UInt64) {
    self.name = name
    self.totalBytes = totalBytes
  }
}

/// Told of progress from any thread.
public protocol ProgressObserver: Sendable {
  func began(_ phase: ProgressPhase)
  func advanced(by bytes: Int)
  /// The tensor now worked on.
  func reached(_ item: String, number: Int, of count: Int)
  func ended()
}

extension ProgressObserver {
  public func reached(_ item: String, number: Int, of count: Int) {}
}

/// An observer that tells nobody.
public struct SilentProgress: ProgressObserver {
  public init() {}
  public func began(_ phase: ProgressPhase) {}
  public func advanced(by bytes: Int) {}
  public func ended() {}
}
