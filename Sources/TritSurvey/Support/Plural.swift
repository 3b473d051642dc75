// Tritsmith: counted things.

import TritReport

/// "1 layer", "4 layers", "1,000 tokens"; other plurals are given: "2 matrices".
package func plural(_ count: Int, _ noun: String, _ many: String? = nil) -> String {
  "\(NumberText.grouped(count)) \(count == 1 ? noun : many ?? noun + "s")"
}

/// A count as people read it: "1,000".
package func grouped(_ count: Int) -> String { NumberText.grouped(count) }
