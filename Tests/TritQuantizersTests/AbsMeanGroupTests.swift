// Tritsmith tests: absmean with scales of groups.

import Testing
import TritCore
import TritQuantizers
import TritTestSupport

/// Expected values are those of a program that computes the rule in torch; every mean is far enough from a rounding
/// boundary of F16 that the order of summation cannot matter.
@Suite("Absmean of groups") struct AbsMeanGroupTests {
  private static let golden = GoldenVectors(Fixtures.golden("grouped.safetensors"))
  private static let cases = golden.cases.filter { $0.hasPrefix("latent_") }

  private func weights(_ tensor: GoldenVectors.Tensor) -> [Float] {
    switch tensor.dtype {
    case "BF16": tensor.bf16
    case "F16": tensor.u16.map { HalfFloat(bits: $0).float }
    default: tensor.f32
    }
  }

  @Test func givesTheTritsAndScalesOfTheReference() throws {
    #expect(Self.cases.count == 25)
    for item in Self.cases {
      let tensor = Self.golden[item + ".w"]
      let size = Int(Self.golden[item + ".group"].bytes[0])
      let quantizer = size == 64 ? AbsMeanGroup.of64 : AbsMeanGroup.of128
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let w = weights(tensor)
      let evidence = MatrixEvidence(rows: rows, columns: columns, summary: WeightSummary(of: w))
      let planes = quantizer.prepare(evidence).fit(w, rows: rows)
      let scales = Self.golden[item + ".scales"].u16
      #expect(planes.count == 1)
      #expect(planes[0].multipliers.map { HalfFloat($0).bits } == scales, "\(item)")
      #expect(planes[0].multipliers == scales.map { HalfFloat(bits: $0).float }, "\(item)")
      #expect(planes[0].trits == Self.golden[item + ".trits"].i8, "\(item)")
    }
  }

  @Test func aLastGroupMayBeShort() {
    // Means of 2 and 3: in the last group of one, the weight is its own mean.
    let row = [Float](repeating: 2, count: 64) + [-3]
    let evidence = MatrixEvidence(rows: 1, columns: 65, summary: WeightSummary(of: row))
    let plane = AbsMeanGroup.of64.prepare(evidence).fit(row, rows: 1)[0]
    #expect(plane.multipliers == [2, 3])
    #expect(plane.trits == [Int8](repeating: 1, count: 64) + [-1])
  }

  @Test func isKnownByName() {
    #expect(QuantizerRegistry.quantizer(QuantizerID(rawValue: "absmean-group128"))?.id == AbsMeanGroup.of128.id)
    #expect(QuantizerRegistry.quantizer(QuantizerID(rawValue: "absmean-group64"))?.id == AbsMeanGroup.of64.id)
    #expect(AbsMeanGroup.of64.granularity == .group(columns: 64) && AbsMeanGroup.of64.scaleStorage == .f16)
  }
}
