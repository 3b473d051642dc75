// Tritsmith: `trit-bench generate`.

import CommandLineKit
import TritCore
import TritFormats

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a checkpoint of a given shape with Gaussian latent weights, or random trits.",
    examples: [
      .init("trit-bench generate /tmp/f1b", "A Falcon-E-1B-shaped model, 3.2 GB."),
      .init("trit-bench generate /tmp/b17 --shape bonsai-1.7b", "Unpacked trits in the shape of Bonsai 1.7B, 3.4 GB."),
      .init("trit-bench generate /tmp/h9b --shape hybrid-9b", "Random trits in the shape of Qwen3.5 9B, 2.5 GB."),
    ])

  @Argument(help: "The folder to make.", completion: .directory)
  var folder: String

  @Option(help: "The shape.")
  var shape = ModelShape.falcon1B

  @Option(help: ArgumentHelp("Seed of the weights.", valueName: "number"))
  var seed: UInt64 = 158

  func run() throws {
    let bytes = try Generate.write(shape, to: folder, seed: seed)
    StandardOutput.shared.write("\(folder): \(bytes) bytes\n")
  }

  /// Makes the folder; returns the bytes of its weights.
  static func write(_ shape: ModelShape, to folder: String, seed: UInt64) throws -> Int {
    let staging = try StagedOutput(.folder, at: folder, replacing: false)
    let tensors = shape.tensors
    let shard = OutputShard(name: "model.safetensors", tensors: tensors.map(\.tensor))
    let sink = try SafetensorsSink(shards: [shard], metadata: [("format", "pt")], staging: staging)
    let normal = NormalTable()
    for (index, item) in tensors.enumerated() {
      let bits = item.tensor.dtype.bits
      // In units of 16 bits, whatever a number takes.
      let count = item.tensor.shape.elementCount * bits / 16
      let band = 1 << 20
      try Parallelism().forEachBand((count + band - 1) / band) { part in
        let range = part * band..<min(count, (part + 1) * band)
        var random = SplitMix64(state: seed &+ UInt64(index) << 32 &+ UInt64(part))
        let values =
          switch item.content {
          case .normal(let deviation): normal.values(range.count, deviation: deviation, &random)
          case .constant(let pattern): [UInt16](repeating: pattern, count: range.count)
          case .trits: Generate.codes(range.count, &random)
          case .unpackedTrits: Generate.unpacked(range.count, &random)
          // 0x3C003C00 is 0.0078.
          case .small: [UInt16](repeating: 0x3C00, count: range.count)
          }
        try sink.write(values.span.bytes, to: item.tensor.name, at: 2 * range.lowerBound)
      }
    }
    try sink.finish()
    let configuration = try staging.createFile("config.json")
    try configuration.write(JSONValue.object(shape.configuration).serialized(.pretty), at: 0)
    try staging.commit()
    return Int(shard.byteCount(metadata: [("format", "pt")]))
  }
}

extension Generate {
  /// All 6561 words of eight codes below 3.
  private static let words = (0..<6561).map { number -> UInt16 in
    var (rest, word) = (number, UInt16(0))
    for code in 0..<8 {
      word |= UInt16(rest % 3) << UInt16(2 * code)
      rest /= 3
    }
    return word
  }

  /// Words of eight codes below 3 each, equally likely but for one part in ten.
  static func codes(_ count: Int, _ random: inout SplitMix64) -> [UInt16] {
    let words = Generate.words
    var result = [UInt16](repeating: 0, count: count)
    for start in stride(from: 0, to: count, by: 4) {
      let bits = random.next()
      for lane in 0..<min(4, count - start) {
        result[start + lane] = words[Int(bits >> UInt64(16 * lane) & 0xFFFF) % words.count]
      }
    }
    return result
  }

  /// Half precision trit · scale, each trit equally likely but for one part in ten; scales from 1/64 to 1/32.
  static func unpacked(_ count: Int, _ random: inout SplitMix64) -> [UInt16] {
    var result = [UInt16](repeating: 0, count: count)
    for start in stride(from: 0, to: count, by: ModelShape.group) {
      let scale = 0x2400 | UInt16(random.next() & 0x3FF)
      let values = [scale | 0x8000, 0, scale]
      let group = codes((min(ModelShape.group, count - start) + 7) / 8, &random)
      for index in start..<min(count, start + ModelShape.group) {
        result[index] = values[Int(group[(index - start) / 8] >> UInt16(2 * (index % 8)) & 3)]
      }
    }
    return result
  }
}

/// A small, fast, well-mixed generator (Steele, Lea, Flood 2014).
struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

/// 65,536 equally likely values of the standard normal distribution.
struct NormalTable: Sendable {
  private let quantiles: [Float]

  init() {
    quantiles = (0..<65536).map { Float(NormalTable.quantile((Double($0) + 0.5) / 65536)) }
  }

  /// bfloat16 patterns of independent normal values.
  func values(_ count: Int, deviation: Double, _ random: inout SplitMix64) -> [UInt16] {
    let scaled = quantiles.map { BFloat16($0 * Float(deviation)).bits }
    var result = [UInt16](repeating: 0, count: count)
    for start in stride(from: 0, to: count, by: 4) {
      let bits = random.next()
      for lane in 0..<min(4, count - start) {
        result[start + lane] = scaled[Int(bits >> UInt64(16 * lane) & 0xFFFF)]
      }
    }
    return result
  }

  /// The inverse of the normal distribution function, found by bisection of its series: slow, used 65,536 times.
  private static func quantile(_ probability: Double) -> Double {
    var (low, high) = (-6.0, 6.0)
    for _ in 0..<52 {
      let middle = (low + high) / 2
      if distribution(middle) < probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// Φ(x) = ½ + φ(x)·(x + x³/3 + x⁵/15 + …), Marsaglia 2004.
  private static func distribution(_ x: Double) -> Double {
    var (sum, term, square, index) = (x, x, x * x, 1.0)
    var previous = 0.0
    while sum != previous {
      previous = sum
      index += 2
      term *= square / index
      sum += term
    }
    // exp(−x²/2)/√(2π) through the exponential's own series on a halved argument, squared back.
    var exponential = 1.0
    let small = -square / 2 / 64
    var power = 1.0
    for step in 1..<20 {
      power *= small / Double(step)
      exponential += power
    }
    for _ in 0..<6 { exponential *= exponential }
    return 0.5 + sum * exponential / (2 * Double.pi).squareRoot()
  }
}
