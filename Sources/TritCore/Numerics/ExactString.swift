// Tritsmith: strings compared by their bytes.

/// A string compared and hashed by its UTF-8 bytes.
///
/// Swift's `String` equality is canonical equivalence: "é" in one and in two scalars are equal. Tensor names and
/// vocabulary entries that differ in bytes are different things, so sets and dictionaries of them use this key.
public struct ExactString: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let string: String

  public init(_ string: String) {
    self.string = string
  }

  public var description: String { string }

  public static func == (left: ExactString, right: ExactString) -> Bool {
    left.string.utf8.elementsEqual(right.string.utf8)
  }

  /// Byte order, which for UTF-8 is also scalar order.
  public static func < (left: ExactString, right: ExactString) -> Bool {
    left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    let hashed: Void? = string.utf8.withContiguousStorageIfAvailable {
      hasher.combine(bytes: UnsafeRawBufferPointer($0))
    }
    if hashed == nil {
      for byte in string.utf8 { hasher.combine(byte) }
    }
    hasher.combine(UInt8(0xFF))
  }
}
