// Tritsmith: colours of plots as readers with and without colour blindness see them.

import Testing

@testable import TritReport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct PlotPaletteTests {
  /// Full dichromacy, from Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color
  /// Vision Deficiency" (2009); they apply to linear sRGB.
  static let visions: [String: [[Double]]] = [
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
      [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
      [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
      [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900],
    ],
  ]

  private func linear(_ hex: String) -> [Double] {
    let digits = Array(hex.dropFirst())
    return (0..<3).map { index in
      let value = Double(Int(String(digits[2 * index...2 * index + 1]), radix: 16) ?? 0) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
  }

  private func times(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
    matrix.map { row in zip(row, vector).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  /// OKLab, after Björn Ottosson (2020), of a colour seen with one vision.
  private func seen(_ hex: String, _ vision: [[Double]]) -> [Double] {
    let rgb = times(vision, linear(hex)).map { max(0, $0) }
    let cones = times(
      [
        [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
      ], rgb
    ).map { cbrt($0) }
    return times(
      [
        [0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
      ], cones)
  }

  private func distance(_ first: String, _ second: String, _ vision: [[Double]]) -> Double {
    zip(seen(first, vision), seen(second, vision)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  }

  @Test(arguments: visions.keys.sorted())
  func everyTwoColoursDiffer(vision: String) throws {
    let matrix = try #require(Self.visions[vision])
    let trits = [PlotPalette.negative, PlotPalette.neutral, PlotPalette.positive]
    for set in [PlotPalette.series, trits] {
      for first in set.indices {
        for second in set.indices where second > first {
          // A tenth is five times what is just noticeable between large patches, and marks are small.
          #expect(distance(set[first].light, set[second].light, matrix) > 0.1, "\(set[first]), \(set[second])")
          #expect(distance(set[first].dark, set[second].dark, matrix) > 0.1, "\(set[first]), \(set[second])")
        }
      }
    }
  }

  /// The known distance of black and white, so that the measure itself is right.
  @Test func theMeasureIsOKLab() throws {
    let normal = try #require(Self.visions["normal"])
    #expect(abs(distance("#000000", "#ffffff", normal) - 1) < 1e-4)
    // From the reference implementation's table: sRGB red is (0.628, 0.225, 0.126).
    #expect(zip(seen("#ff0000", normal), [0.628, 0.225, 0.126]).allSatisfy { abs($0 - $1) < 0.001 })
  }

  @Test func coloursStandOutFromTheirGround() {
    func luminance(_ hex: String) -> Double {
      zip(linear(hex), [0.2126, 0.7152, 0.0722]).reduce(0) { $0 + $1.0 * $1.1 }
    }
    func contrast(_ first: String, _ second: String) -> Double {
      let sorted = [luminance(first), luminance(second)].sorted()
      return (sorted[1] + 0.05) / (sorted[0] + 0.05)
    }
    // WCAG 2.2, 1.4.11: parts of graphics have 3:1.
    for color in PlotPalette.series + [PlotPalette.negative, PlotPalette.positive] {
      #expect(contrast(color.light, "#fcfbf8") >= 3, "\(color)")
      #expect(contrast(color.dark, "#15171a") >= 3, "\(color)")
    }
    #expect(PageStyle.css.contains("--paper:light-dark(#fcfbf8,#15171a)"), "the grounds above are those of pages")
  }

  @Test func everySeriesHasAShapeOfItsOwn() {
    let paths = (0..<PlotPalette.shapes).map { PlotPalette.path($0, 0, 0, radius: 4) }
    #expect(Set(paths).count == PlotPalette.series.count)
  }
}
