// Tritsmith: counted things.

import TritReport

/// "1 layer", "4 layers", "1,000 tokens".
package func plural(_ count: Int, _ noun: String) -> String {
  "\(NumberText.grouped(count)) \(noun)\(count == 1 ? "" : "s")"
}

/// A count as people read it: "1,000".
package func grouped(_ count: Int) -> String { NumberText.grouped(count) }
