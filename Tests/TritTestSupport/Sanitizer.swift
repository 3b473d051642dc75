// Tritsmith: tests under a sanitizer.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whether the tests and the tool they run were built with a sanitizer, which multiplies what a process takes.
/// `.ci/sanitize` says so.
package enum Sanitizer {
  package static let isOn = getenv("TRITSMITH_SANITIZER") != nil
  /// ThreadSanitizer, which `.ci/sanitize thread` says in that variable.
  package static let isThread = getenv("TRITSMITH_SANITIZER").map { String(cString: $0) } == "thread"
}
