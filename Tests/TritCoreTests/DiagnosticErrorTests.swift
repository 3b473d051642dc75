// Tritsmith: messages.

import Testing
import TritCore

@Suite struct DiagnosticErrorTests {
  @Test func printableKeepsOrdinaryText() {
    for text in ["", "model.layers.0", "é 😀 漢字", "a b\\c", "e\u{301}"] { #expect(printable(text) == text) }
  }

  @Test func printableShowsWhatDrivesATerminal() {
    let cases = [
      ("\u{1B}[2J", "\\x1b[2J"), ("a\nb\r\t", "a\\nb\\r\\t"), ("\u{0}", "\\x00"), ("\u{7F}", "\\x7f"),
      // C1 controls; right-to-left override and isolates; line separators; byte order mark.
      ("\u{9B}31m", "\\x9b31m"), ("\u{202E}x", "\\u{202e}x"), ("\u{2066}", "\\u{2066}"),
      ("\u{200E}\u{200F}", "\\u{200e}\\u{200f}"), ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
      ("\u{FEFF}", "\\u{feff}"),
      // What nobody sees: a space that is none, joiners, fillers, tags.
      ("a\u{A0}b", "a\\u{a0}b"), ("\u{200B}\u{200D}", "\\u{200b}\\u{200d}"), ("\u{3164}", "\\u{3164}"),
      ("\u{E0001}", "\\u{e0001}"), ("\u{AD}", "\\u{ad}"),
    ]
    for (text, expected) in cases { #expect(printable(text) == expected) }
  }

  @Test func printableCutsTheMiddle() {
    let exact = String(repeating: "a", count: 200)
    #expect(printable(exact) == exact)
    let long = String(repeating: "a", count: 5000) + String(repeating: "b", count: 5000)
    #expect(printable(long) == String(repeating: "a", count: 100) + "…" + String(repeating: "b", count: 100))
    #expect(printable("abcdefghij", limit: 4) == "ab…ij")
  }

  struct Sample: DiagnosticError {
    var summary: String { "expected 1, found 2" }
    var location: ErrorLocation
    var remedy: String?
    var category: ErrorCategory { .malformedInput }
  }

  @Test func descriptionsSayWhereWhatAndWhatToDo() {
    let full = Sample(
      location: ErrorLocation(file: "m.safetensors", tensor: "a\u{1B}b", byteOffset: 12, field: "shape"),
      remedy: "fetch it again")
    #expect(
      full.description
        == "m.safetensors, tensor 'a\\x1bb', field 'shape', byte 12: expected 1, found 2\n"
        + "  what to do: fetch it again")
    #expect(Sample(location: ErrorLocation(file: ""), remedy: nil).description == "'': expected 1, found 2")
    #expect(Sample(location: ErrorLocation(), remedy: nil).description == "expected 1, found 2")
  }

  /// A text or a patch may be what is meant as well as weights.
  @Test func remedyOfAFolder() {
    #expect(TensorIOError(.notAFile(found: "a folder"), path: "p").remedy == "name the file that is meant")
  }

  /// Exit codes hang on these.
  @Test func categoriesOfFileErrors() {
    func category(_ kind: TensorIOError.Kind) -> ErrorCategory { TensorIOError(kind, path: "p").category }
    #expect(category(.cannotOpen(errno: 2)) == .cannotOpen)
    #expect(category(.notAFile(found: "a folder")) == .cannotOpen)
    // Headers were proved against the size at opening: a file that ends earlier was cut while it was read.
    #expect(category(.endsEarly(expected: 2, found: 1)) == .inputOutput)
    #expect(category(.changedWhileRead(detail: "")) == .inputOutput)
    #expect(category(.writeFailed(errno: 28)) == .inputOutput)
    #expect(category(.alreadyExists) == .cannotCreate)
    #expect(category(.parentMissing("x")) == .cannotCreate)
    #expect(category(.isOfAnotherKind(found: "a folder", wanted: "a file")) == .cannotCreate)
    #expect(category(.overlapsInput(input: "x", detail: "is")) == .misuse)
    #expect(category(.incomplete(written: 1, expected: 2)) == .internalFault)
  }
}
