// Tritsmith tests: TritPack files in every form.

import Testing
import TritCore
import TritFormats
import TritLayouts

/// How a TritPack file is to be written.
package struct PackStyle: Sendable, CustomTestStringConvertible {
  package var layout: LayoutID
  package var compression: TritPackCompression

  package static let all = [
    PackStyle(layout: SplitRow.base3ID, compression: .none),
    PackStyle(layout: SplitRow.twoBitID, compression: .none),
    PackStyle(layout: SplitRow.twoBitID, compression: .zstd(level: 1)),
    PackStyle(layout: SplitRow.base3ID, compression: .zstd(level: 3)),
  ]

  package var testDescription: String { "\(layout) \(compression)" }
}
