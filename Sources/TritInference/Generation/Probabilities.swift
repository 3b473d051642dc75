// Tritsmith: probabilities from logits, in Double.

import LibC

/// e^x.
func exponential(_ x: Double) -> Double { exp(x) }

/// log Σ e^x: what log-softmax subtracts from a logit.
package func logSumExp(_ logits: Span<Float>) -> Double {
  var largest = -Double.infinity
  for index in logits.indices { largest = max(largest, Double(logits[index])) }
  guard largest.isFinite else { return largest }
  var sum = 0.0
  for index in logits.indices { sum += exp(Double(logits[index]) - largest) }
  return largest + log(sum)
}

/// −log of the probability of a token, in nats.
package func negativeLogLikelihood(_ logits: Span<Float>, of id: Int) -> Double {
  logSumExp(logits) - Double(logits[id])
}
