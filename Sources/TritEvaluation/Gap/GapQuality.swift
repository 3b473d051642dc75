// Tritsmith: how much a gap matters, in words.

import TritReport

/// How much of a reference's quality a candidate loses, by the mean of KL(P‖Q) over the scored tokens.
///
/// Bounds follow what llama.cpp measured for LLaMA 3 8B, whose types people know: Q8_0 has 0.0014, Q6_K 0.006, Q4_K_M
/// 0.032, Q4_0 0.074, Q3_K_S 0.24, Q2_K 0.46 nats a token.
package enum GapQuality: String, Sendable, Hashable, CaseIterable {
  /// Below 0.002: as little as 8 bits a weight, or inputs rounded to int8, cost.
  case none
  /// Below 0.05: as good 4-bit types cost.
  case slight
  /// Below 0.3: as 3 bits a weight cost.
  case visible
  /// Above: another model for most purposes.
  case severe

  /// Nil for a mean that is no number.
  package init?(meanKL: Double) {
    guard let band = GapQuality.allCases.first(where: { meanKL < $0.end }) else { return nil }
    self = band
  }

  /// Where the band ends, in nats a token.
  package var end: Double {
    switch self {
    case .none: 0.002
    case .slight: 0.05
    case .visible: 0.3
    case .severe: .infinity
    }
  }

  /// In a sentence.
  package var phrase: String {
    switch self {
    case .none: "no loss"
    case .slight: "a slight loss"
    case .visible: "a visible loss"
    case .severe: "a severe loss"
    }
  }

  /// The colour it is shown in.
  var tone: ReportSeverity {
    switch self {
    case .none: .pass
    case .slight: .info
    case .visible: .warning
    case .severe: .error
    }
  }
}
