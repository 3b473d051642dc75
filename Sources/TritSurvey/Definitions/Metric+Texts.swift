// Tritsmith: the definitions themselves.

private let llamaCpp = "llama.cpp, tools/perplexity (--kl-divergence)"

extension Metric {
  typealias Entry = (term: String, text: String, source: String?)

  var predictions: Entry? {
    switch self {
    case .perplexity:
      (
        "Perplexity",
        "exp(−(1/T) Σ ln p(y)): how many equally likely tokens the model is unsure between. Lower is better.", llamaCpp
      )
    case .perplexityRatio: ("Perplexity ratio", "PPL(Q) / PPL(P); 1 when both predict the text equally well.", llamaCpp)
    case .logRatio:
      (
        "ln(PPL(Q)/PPL(P))",
        "Mean difference of the negative log-probabilities of the text's tokens, in nats; 0 when equal.", llamaCpp
      )
    case .correlation:
      (
        "Correlation of log-probabilities",
        "Pearson correlation between ln p(y) and ln q(y) over the scored tokens.", llamaCpp
      )
    case .standardError:
      (
        "Standard error",
        "√(variance / (T − 1)) of a mean over tokens, as if tokens were independent; ratios and differences take the "
          + "correlation of the two models into account.", llamaCpp
      )
    case .kld:
      (
        "KL(P‖Q)",
        "Σ p ln(p/q) over the whole vocabulary, in nats, for each scored token: the loss when the candidate replaces "
          + "the reference. 0 when both predict the same.", llamaCpp
      )
    case .reverseKLD:
      (
        "KL(Q‖P)",
        "Σ q ln(q/p), in nats: large where the candidate believes in tokens the reference rules out.",
        "llm-compressor#2031"
      )
    case .jensenShannon:
      (
        "Jensen–Shannon divergence",
        "½ KL(P‖M) + ½ KL(Q‖M) with M = ½ (P + Q), in nats; symmetric, at most ln 2.", "llm-compressor#2031"
      )
    case .percentile:
      (
        "Percentiles",
        "The value that a share of the scored tokens does not exceed, linear between the two nearest ranks (as numpy). "
          + "The tail shows failures a mean hides.", llamaCpp
      )
    case .sameTopOne:
      (
        "Same top-1", "Share of tokens for which both models have the same likeliest token; error √(s(1−s)/(T−1)).",
        llamaCpp
      )
    case .sameTopFive:
      (
        "Same top-5",
        "Mean share of the reference's five likeliest tokens that are among the candidate's five.", nil
      )
    case .topContainment:
      (
        "Top-k containment",
        "Share of tokens whose likeliest token in one model is among the k likeliest of the other. Of equal logits the "
          + "lowest ids come first.", "llama.cpp#5076"
      )
    case .deltaP:
      (
        "Δp",
        "q(y) − p(y): change of the probability of the text's token. A mean below 0 is lost quality, RMS is noise.",
        llamaCpp
      )
    case .logitNMSE:
      (
        "Logit NMSE",
        "Σ (l_P − l_Q)² / Σ (l_P − mean l_P)² over all logits of all tokens, the mean taken for each token.",
        "llama.cpp#17980"
      )
    case .logitDifference: ("|Δlogit|", "Absolute difference of a raw logit, largest and mean over all of them.", nil)
    case .worstTokens: ("Worst tokens", "The ten tokens with the largest KL(P‖Q), in their context.", nil)
    default: nil
    }
  }

  var layers: Entry? {
    switch self {
    case .relativeError:
      (
        "Relative error",
        "√(Σ (p − q)² / Σ p²) over all elements: the Frobenius norm of the difference over that of the reference.", nil
      )
    case .cosine: ("Cosine", "Σ pq / √(Σ p² Σ q²) over all elements; 1 when they point the same way.", nil)
    case .sqnr:
      (
        "SQNR", "10 log₁₀(Σ p² / Σ (p − q)²), in dB: signal over the noise of quantization. Missing when equal.",
        "TinyNeuralNetwork#188"
      )
    case .firstPastBound:
      (
        "First layer past the bound",
        "The first state of the residual stream whose relative error is above --layer-bound.", "llm-compressor#3154"
      )
    case .attribution:
      (
        "Attribution",
        "Mean KL(P‖H), where H is the reference with only one layer's projections, or one kind of projection, taken "
          + "from the candidate. Parts do not add up: errors of several layers interact.", nil
      )
    case .partCost:
      (
        "Cost of a part",
        "Mean KL between two models on the way from P to Q that differ in this part alone. Missing where it was not "
          + "measured.", nil
      )
    default: nil
    }
  }

  var tensors: Entry? {
    switch self {
    case .tritShares: ("Trits", "Counts or shares of the codes −1, 0 and +1 of a ternary tensor.", nil)
    case .entropy:
      (
        "Entropy",
        "−Σ s log₂ s over the shares of −1, 0 and +1, in bits per weight; at most log₂ 3 = 1.585.", nil
      )
    case .signBalance: ("Sign balance", "(n₊ − n₋) / (n₊ + n₋) of the codes; 0 when signs are even.", nil)
    case .storedScale:
      (
        "Stored scale",
        "The number beside the trits, as stored: multiplied with them or divided by (see scale convention).", nil
      )
    case .leastSquaresScale:
      (
        "Least-squares scale",
        "Σ w·t / Σ t²: the multiplier with the smallest squared error for these trits. Absmean is below it, since it "
          + "averages the small weights that become 0 too.", nil
      )
    case .signAgreement:
      ("Sign agreement", "Share of codes other than 0 that have the sign of their weight; 1 after rounding.", nil)
    case .nearThreshold:
      (
        "Near the threshold",
        "Share of weights with | |w|/m − ½ | ≤ 0.01, m the multiplier: within 2 % of the "
          + "magnitude at which a weight turns from 0 to ±1. Their codes depend on the arithmetic.", nil
      )
    case .nmse: ("NMSE", "Σ (w − q)² / Σ w². For Gaussian weights and absmean 0.263.", nil)
    case .kurtosis:
      (
        "Kurtosis",
        "Fourth central moment over the squared variance of the reference's weights; 3 for a Gaussian.", nil
      )
    case .maximumError: ("Max error", "Largest |w − q|, and its place in row-major order.", nil)
    case .effectiveBits: ("Effective bits", "8 × stored bytes, scales included, over the number of weights.", nil)
    case .moments:
      ("Moments", "Mean, standard deviation (of the population), mean and largest magnitude of the weights.", nil)
    case .edgeDensity:
      (
        "Edge density",
        "Density of |w|/absmean in [0.475, 0.525) over its density in [0, 0.25): latent BitNet weights gather at the "
          + "edge between 0 and ±1.", nil
      )
    default: nil
    }
  }

  var whole: Entry {
    switch self {
    case .conversionFidelity:
      (
        "Conversion fidelity",
        "Trits and scales are bit for bit those of quantizing the reference; all other tensors, settings and the tokenizer "
          + "are its own. Exact or wrong; no statement about quality.", nil
      )
    case .quantizationGap:
      (
        "Quantization gap",
        "How far the candidate's predictions are from the reference's. A property of the model, not of the converter: "
          + "small where training knew the trits, large for an ordinary model.", nil
      )
    case .qualityBand:
      (
        "Loss of quality",
        "The mean of KL(P‖Q) in words: none below 0.002 nats, slight below 0.05, visible below 0.3, severe above. "
          + "LLaMA 3 8B loses 0.0014 as Q8_0, 0.032 as Q4_K_M, 0.24 as Q3_K_S.", "llama.cpp, tools/perplexity"
      )
    case .scaleConvention:
      (
        "Scale convention",
        "A weight is trit × stored scale (multiply: stored is an absmean) or trit ÷ stored scale (divide: "
          + "stored is 1/absmean).", nil
      )
    case .codeStream:
      (
        "Code stream",
        "SHA-256 of trits and scales, the same in every format. An embedding or a head counts only where it is packed "
          + "(Docs/Numerics.md).", nil
      )
    case .firstTokenRule:
      (
        "First-token rule",
        "How windows begin and which tokens are scored. llama.cpp scores the second half of each window only; numbers "
          + "compare under one rule only.", nil
      )
    case .fileHash:
      (
        "SHA-256",
        "Of the weight file; of several files that of their lines \"sha256  name\", sorted by name.", nil
      )
    default: (rawValue, "", nil)
    }
  }
}
