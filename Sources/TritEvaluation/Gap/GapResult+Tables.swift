// Tritsmith: tables of a gap report.

import TritModel
import TritReport
import TritSurvey

extension GapResult {
  var gateTable: ReportTable {
    var table = ReportTable(
      key: "gates", title: "Gates",
      columns: [
        ReportColumn("gate", "Gate", kind: .state), ReportColumn("about", "About"),
        ReportColumn("found", "Found", kind: .significant(digits: 4)),
        ReportColumn("bound", "Bound", kind: .significant(digits: 4)), ReportColumn("passed", "Passed", kind: .bool),
      ],
      caption: "Two things kept apart: whether the conversion is exact, and how much quality is lost.")
    if let fidelity {
      table.append([
        "conversion_fidelity", "fidelity", .text(fidelity.verdict.rawValue), "exact",
        fidelity.verdict == .notApplicable ? .missing : .bool(fidelity.holds),
      ])
    }
    for gate in gates {
      table.append([
        .text(gate.name), "quality", .number(gate.found), .number(gate.bound), .bool(gate.passed),
      ])
    }
    return table
  }

  var partTable: ReportTable {
    var table = ReportTable(
      key: "parts", title: "Parts",
      columns: [
        ReportColumn("part", "Part", kind: .state), ReportColumn("outcome", "Outcome", kind: .state),
        ReportColumn("detail", "Compared"),
        ReportColumn("mean_kld", "Costs", .partCost, kind: .significant(digits: 4), unit: "nats"),
        ReportColumn("measured_between", "Measured between"),
      ],
      caption: "A cost is there only where it was measured: between two models that differ in this part alone.")
    for index in [2, 4] { table.columns[index].isProse = true }
    for part in parts {
      table.append([
        .text(part.part.rawValue), .text(part.outcome.rawValue), .text(part.detail),
        .optional(part.cost?.meanKL), .optional(part.cost?.between),
      ])
    }
    return table
  }

  var distributionTable: ReportTable {
    let names = ["min", "p0_1", "p1", "p5", "p10", "p25", "median", "p75", "p90", "p95", "p99", "p99_9", "max"]
    let titles = ["Min", "p0.1", "p1", "p5", "p10", "p25", "Median", "p75", "p90", "p95", "p99", "p99.9", "Max"]
    var table = ReportTable(
      key: "distributions", title: "Distributions over tokens",
      columns: [
        ReportColumn("name", "Number", kind: .state),
        ReportColumn("mean", "Mean", kind: .significant(digits: 4)),
        ReportColumn("mean_error", "±", .standardError, kind: .significant(digits: 2)),
        ReportColumn("rms", "RMS", kind: .significant(digits: 4)),
        ReportColumn("rms_error", "±", .standardError, kind: .significant(digits: 2)),
      ]
        + zip(names, titles).map { ReportColumn($0, $1, .percentile, kind: .significant(digits: 3)) },
      caption: "Divergences in nats; Δp as a share of 1.")
    for distribution in model.distributions {
      table.append(
        [
          .text(distribution.name), .number(distribution.mean.value), .number(distribution.mean.error),
          .number(distribution.rms.value), .number(distribution.rms.error),
        ] + distribution.quantiles.map { .number($0) })
    }
    return table
  }

  var worstTokens: ReportQuotes {
    var quotes = ReportQuotes(
      key: "worst_tokens", title: "Tokens the two differ most about",
      columns: [
        ReportColumn("index", "Place", kind: .integer), ReportColumn("id", "Id", kind: .integer),
        ReportColumn("kld", "KL(P‖Q)", .kld, kind: .significant(digits: 3), unit: "nats"),
        ReportColumn("reference_probability", "p", kind: .significant(digits: 3)),
        ReportColumn("candidate_probability", "q", kind: .significant(digits: 3)),
        ReportColumn("reference_top", "P says"), ReportColumn("candidate_top", "Q says"),
      ],
      caption: "The marked token is the text's; both models predict it from what stands before.")
    for token in model.worst {
      quotes.append(
        ReportQuote(
          before: token.text?.before ?? "", token: token.text?.token ?? "#\(token.id)", after: token.text?.after ?? "",
          [
            .integer(token.index), .integer(token.id), .number(token.divergence),
            .number(token.referenceProbability), .number(token.candidateProbability),
            .text(token.text?.referenceTop ?? "#\(token.referenceTop)"),
            .text(token.text?.candidateTop ?? "#\(token.candidateTop)"),
          ]))
    }
    return quotes
  }

  var layerTable: ReportTable {
    var table = ReportTable(
      key: "layers", title: "Hidden states",
      columns: [
        ReportColumn("name", "State", kind: .state), ReportColumn("layer", "Layer", kind: .integer),
        ReportColumn("part", "Part", kind: .state),
        ReportColumn("relative_error", "Relative error", .relativeError, kind: .significant(digits: 4)),
        ReportColumn("cosine", "Cosine", .cosine, kind: .decimal(digits: 5)),
        ReportColumn("sqnr_db", "SQNR", .sqnr, kind: .decimal(digits: 2), unit: "dB"),
        ReportColumn("max_abs_difference", "Max |Δ|", kind: .significant(digits: 4)),
        ReportColumn("rms", "RMS of P", kind: .significant(digits: 4)),
      ],
      caption: "self_attn and mlp are added to the residual stream; layer is the stream after both. "
        + "Errors of earlier layers are in all later ones.")
    for layer in layers {
      table.append([
        .text(layer.name), layer.layer.map { .integer($0) } ?? .missing, .text(layer.part),
        .number(layer.relativeError), .optional(layer.cosine), .optional(layer.sqnr), .number(layer.maximumDifference),
        .number(layer.rms),
      ])
    }
    return table
  }

  static func table(_ attribution: [AttributedGap], tokens: Int) -> ReportTable {
    var table = ReportTable(
      key: "attribution", title: "Attribution over \(plural(tokens, "token")): only this part is the candidate's",
      columns: [
        ReportColumn("part", "Part"), ReportColumn("scope", "Scope"),
        ReportColumn("mean_kld", "Mean KL", .attribution, kind: .significant(digits: 4), unit: "nats"),
        ReportColumn("same_top_1", "Same top-1", .sameTopOne, kind: .fraction(digits: 2)),
        ReportColumn("ppl_ratio", "PPL ratio", .perplexityRatio, kind: .significant(digits: 5)),
      ], caption: Metric.attribution.text)
    for part in attribution {
      table.append([
        .text(part.part.name), .text(part.part.scope), .number(part.meanKL), .number(part.topOne),
        .number(part.perplexityRatio),
      ])
    }
    return table
  }

  static func table(_ tensors: [TensorGap]) -> ReportTable {
    var table = ReportTable(key: "tensors", title: "Weights", columns: tensorColumns)
    for tensor in tensors {
      var row: [ReportValue] = [
        .text(tensor.name), .text(tensor.role.name), .list(tensor.shape.dimensions.map { .integer($0) }),
        .text(tensor.referenceEncoding), .text(tensor.candidateEncoding), .bytes(UInt64(tensor.bytes)),
        .number(tensor.effectiveBits), .optional(tensor.relativeError), .optional(tensor.nmse),
        .optional(tensor.cosine), .optional(tensor.sqnr), .number(tensor.maximumError),
        .integer(tensor.maximumErrorIndex),
      ]
      let ternary = tensor.ternary
      row += [
        ternary.map { .integer($0.negative) } ?? .missing, ternary.map { .integer($0.zero) } ?? .missing,
        ternary.map { .integer($0.positive) } ?? .missing, .optional(ternary?.zeroShare), .optional(ternary?.entropy),
        .optional(ternary?.signBalance), .optional(ternary?.storedScale), .optional(ternary?.convention.rawValue),
        .optional(ternary?.multiplier), .optional(ternary?.leastSquaresScale), .optional(ternary?.scaleRatio),
        .optional(ternary?.leastSquaresSQNR), .optional(ternary?.signAgreement), .optional(ternary?.nearThreshold),
        .number(tensor.moments.mean), .number(tensor.moments.standardDeviation), .number(tensor.moments.absoluteMean),
        .number(tensor.moments.largest), .optional(tensor.moments.kurtosis),
      ]
      table.append(row)
    }
    return table
  }

  private static var tensorColumns: [ReportColumn] {
    [
      ReportColumn("name", "Tensor"), ReportColumn("role", "Role"), ReportColumn("shape", "Shape"),
      ReportColumn("reference_encoding", "P"), ReportColumn("candidate_encoding", "Q"),
      ReportColumn("bytes", "Bytes", kind: .bytes),
      ReportColumn("effective_bits", "Bits", .effectiveBits, kind: .decimal(digits: 3)),
      ReportColumn("relative_error", "Relative", .relativeError, kind: .decimal(digits: 4)),
      ReportColumn("nmse", "NMSE", .nmse, kind: .decimal(digits: 4)),
      ReportColumn("cosine", "Cosine", .cosine, kind: .decimal(digits: 4)),
      ReportColumn("sqnr_db", "SQNR", .sqnr, kind: .decimal(digits: 2), unit: "dB"),
      ReportColumn("max_error", "Max error", .maximumError, kind: .significant(digits: 4)),
      ReportColumn("max_error_index", "at", .maximumError, kind: .integer),
      ReportColumn("minus_one", "−1", .tritShares, kind: .integer),
      ReportColumn("zero", "0", .tritShares, kind: .integer),
      ReportColumn("plus_one", "+1", .tritShares, kind: .integer),
      ReportColumn("zero_share", "Zeros", .tritShares, kind: .fraction(digits: 1)),
      ReportColumn("entropy", "Entropy", .entropy, kind: .decimal(digits: 4), unit: "bits"),
      ReportColumn("sign_balance", "Sign balance", .signBalance, kind: .decimal(digits: 4)),
      ReportColumn("stored_scale", "Scale", .storedScale, kind: .significant(digits: 6)),
      ReportColumn("scale_convention", "Meaning", .scaleConvention),
      ReportColumn("multiplier", "Multiplier", .storedScale, kind: .significant(digits: 5)),
      ReportColumn("least_squares_scale", "LSQ scale", .leastSquaresScale, kind: .significant(digits: 5)),
      ReportColumn("scale_ratio", "LSQ ratio", .leastSquaresScale, kind: .decimal(digits: 3)),
      ReportColumn("least_squares_sqnr_db", "LSQ SQNR", .leastSquaresScale, kind: .decimal(digits: 2), unit: "dB"),
      ReportColumn("sign_agreement", "Signs", .signAgreement, kind: .fraction(digits: 2)),
      ReportColumn("near_threshold", "Near edge", .nearThreshold, kind: .fraction(digits: 2)),
      ReportColumn("mean", "Mean", .moments, kind: .significant(digits: 3)),
      ReportColumn("std", "Std", .moments, kind: .significant(digits: 4)),
      ReportColumn("absmean", "Absmean", .moments, kind: .significant(digits: 4)),
      ReportColumn("max_magnitude", "Max |w|", .moments, kind: .significant(digits: 4)),
      ReportColumn("kurtosis", "Kurtosis", .kurtosis, kind: .decimal(digits: 2)),
    ]
  }
}
