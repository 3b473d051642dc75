// Tritsmith: counted things.

/// "1 layer", "4 layers".
package func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
