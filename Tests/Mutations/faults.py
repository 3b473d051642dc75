"""Faults to plant: number, sentence, file under Sources, exact text, faulty text, tests that must notice.

The text must stand once in the file. In the faulty text FAULT is the condition that turns the fault on.
"""

FAULTS = []

def fault(sentence, file, before, after, tests):
    FAULTS.append({"number": len(FAULTS) + 1, "sentence": sentence, "file": "Sources/" + file, "before": before,
                   "after": after, "tests": tests})

def swap(sentence, file, before, after, tests):
    """An expression that becomes another one."""
    fault(sentence, file, before, "(FAULT ? (" + after + ") : (" + before + "))", tests)

def dropped(sentence, file, statement, tests):
    """A statement that is not carried out."""
    fault(sentence, file, statement, "if !FAULT { " + statement + " }", tests)

L, F, M, K, T, C, Q, E = ("TritLayoutsTests", "TritFormatsTests", "TritModelTests|TritInferenceTests", "TritKernelsTests", "TritTokenizerTests",
                          "TritCoreTests", "TritQuantizersTests", "EndToEndTests")
# Those of the verbs: a pattern, for any of them may notice what another's module does wrong.
W = "Trit(Survey|Verification|Conversion|Evaluation|Inspection|Merge|Certificates|Diff)Tests"

# Packing
swap("TritPack's parts of a row in reverse order", "TritLayouts/SplitRow.swift", "(0..<radix.parts).map { first + $0 * length }",
     "(0..<radix.parts).map { first + (radix.parts - 1 - $0) * length }", L)
swap("Hugging Face's quarters of rows in reverse order", "TritLayouts/HFPacked.swift", "(0..<4).map { $0 * band.bytes.count }",
     "(0..<4).map { (3 - $0) * band.bytes.count }", L)
swap("TQ2_0 with its two-bit places reversed", "TritLayouts/TQ2_0.swift", "[first, first + 32, first + 64, first + 96]",
     "[first + 96, first + 64, first + 32, first]", L)
swap("TQ1_0's last four bytes without their empty fifth digit", "TritLayouts/ScaledBlocks.swift", "part.digits == 4", "false", L)
swap("digits of base 3 shifted before they are multiplied", "TritLayouts/RowBlocks.swift", "(UInt16(byte &* place) &* 3) &>> 8",
     "UInt16(byte &* place) &* 3 &>> 8", L)
swap("I2_S read with the lowest bits first", "TritLayouts/I2S.swift", "plane: 3 - place", "plane: place", L)
FAULTS[-1].update(before="plane: 3 - place", after="plane: FAULT ? place : 3 - place")
fault("IQ2_BN_R4's row scales in reverse order", "TritLayouts/IQ2_BN.swift", "+ 4 * (index % 4)",
      "+ 4 * (FAULT ? 3 - index % 4 : index % 4)", L)

# Numbers
swap("bfloat16 by cutting off", "TritCore/Numerics/BFloat16.swift", "(pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16", "pattern >> 16", C)
swap("bfloat16 with ties away from zero", "TritCore/Numerics/BFloat16.swift", "(pattern >> 16 & 1)", "1", C)
FAULTS.pop()
fault("half precision with ties away from zero", "TritCore/Numerics/HalfFloat.swift", "rest == half && kept & 1 == 1",
      "rest == half && (FAULT || kept & 1 == 1)", C)
swap("a divisor used as a factor", "TritCore/Tensor/TernaryScale.swift", "0 : 1 / stored", "0 : stored", W)
swap("round half away from zero instead of to even", "TritQuantizers/AbsMean.swift", "value.rounded(.toNearestOrEven)",
     "value.rounded(.toNearestOrAwayFromZero)", Q)
swap("no clamp of the mean at 1e-5", "TritQuantizers/AbsMean.swift", "max(mean, BFloat16.rounded(1e-5))", "mean", Q)
swap("the product not rounded to bfloat16", "TritQuantizers/AbsMean.swift",
     "precision == .bf16Steps ? BFloat16.rounded(product) : product", "product", Q)
swap("no clamp of a rounded weight to one", "TritQuantizers/AbsMean.swift", "rounded >= 1 ? 1 : rounded <= -1 ? -1 : 0",
     "rounded >= 2 ? 2 : rounded >= 1 ? 1 : rounded <= -1 ? -1 : 0", Q)
fault("the scale of the first rows for all rows", "TritCore/Tensor/ScalePlaces.swift",
      "places.forEachRun(ofRow: row(firstRow + index))", "places.forEachRun(ofRow: row((FAULT ? 0 : firstRow) + index))", W)

# Containers
swap("section checksums not compared", "TritFormats/TritPack/ChunkReader.swift", "hash.finalize() == digest", "true", F)
swap("the preamble's checksum not compared", "TritFormats/TritPack/TritPackLayout.swift",
     "TritPackPreamble.digest(prefix: Array(start[..<32]), header: header).bytes == Array(start[32...])", "true", F)
swap("padding between sections not looked at", "TritFormats/TritPack/ChunkReader.swift", "try file.bytes(end..<padding).allSatisfy({ $0 == 0 })",
     "true", F)
FAULTS[-1]["after"] = "try (FAULT || file.bytes(end..<padding).allSatisfy({ $0 == 0 }))"
swap("no limit on what a compressed section unpacks to", "TritFormats/TritPack/TritPackHeader.swift", "UInt64(section.bytes) <= limit", "true",
     "TritPack")
swap("two tensors of one name", "TritFormats/Safetensors/SafetensorsHeader.swift", "names.insert(ExactString(item.key)).inserted", "true", F)
swap("holes between tensors", "TritFormats/Safetensors/SafetensorsHeader.swift", "entry.begin == position", "entry.begin >= position", F)
swap("bytes behind the last tensor", "TritFormats/Safetensors/SafetensorsHeader.swift", "end == fileSize", "end <= fileSize", F)
swap("shards outside the folder", "TritFormats/Safetensors/ShardIndex.swift", "FileSystem.isPlainName(shard)", "true", F)
fault("a scale below zero", "TritFormats/HuggingFace/PackedInterpretation.swift", "guard value.isFinite, value >= 0",
      "guard FAULT || (value.isFinite && value >= 0)", F)
swap("tensors of a GGUF file that overlap", "TritFormats/GGUF/GGUFTensorTable.swift", "start < previous.end", "false", F)
swap("a GGUF offset off the alignment", "TritFormats/GGUF/GGUFTensorTable.swift", "tensor.offset % header.alignment == 0", "true", F)
swap("linear_class the other way round", "TritFormats/HuggingFace/HFQuantization.swift", "self == .bitlinear ? .divide : .multiply",
     "self == .bitlinear ? .multiply : .divide", F)
swap("quantization_mode ignored", "TritFormats/HuggingFace/HFQuantization.swift", "linearClass == .autobitlinear ? mode : .offline", ".offline",
     W + "|" + M + "|" + F)
fault("no limit on the depth of JSON arrays", "TritCore/JSON/JSONParser.swift",
      "private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {\n    guard depth <= limits.depth else",
      "private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {\n    guard FAULT || depth <= limits.depth else", C)
swap("numbers that begin with zeros", "TritCore/JSON/JSONParser.swift", "position - integerStart > 1", "false", C)

# GGUF models
swap("rows of rotated heads in the inverse order", "TritModel/GGUF/RowPermutation.swift", "place % 2 * (headRows / 2) + place / 2",
     "2 * (place % (headRows / 2)) + place / (headRows / 2)", W)
swap("the permutation of keys by the number of query heads", "TritModel/GGUF/RowPermutation.swift",
     "place.template.rows == .keys ? attention.keyValueHeads : attention.heads", "attention.heads", W)

# What a model is
D = "TritModel/Description/"
fault("the default rope base of BitNet is Llama's", "TritModel/Architectures/BitNet.swift", "rotaryTheta: 500_000",
      "rotaryTheta: FAULT ? 10_000 : 500_000", W)
swap("an activation GGUF cannot say is written", D + "GGUFDescription.swift", "description.activation == form.activation", "true", W)
fault("biases the graph does not add are written", D + "GGUFDescription.swift",
      "description.hasAttentionBias || description.hasFeedForwardBias {",
      "!FAULT && (description.hasAttentionBias || description.hasFeedForwardBias) {", W)
dropped("GGUF's rope base is not written", D + "GGUFDescription.swift",
        'add("rope.freq_base", .float32(Float(description.rotary.theta)))', W)
fault("GGUF's rope scaling is written without its factor", D + "GGUFRotary.swift",
      '("rope.scaling.factor", .float32(Float(factor)))', '("rope.scaling.factor", .float32(FAULT ? 1 : Float(factor)))', W)
fault("a rope base absent from GGUF is the class's", D + "GGUFRotary.swift", 'try keys.positive("rope.freq_base") ?? 10000',
      'try keys.positive("rope.freq_base") ?? (FAULT ? 500_000 : 10000)', W)
swap("a GGUF key nobody knows is ignored", D + "GGUFDescription.swift", "knownKeys.contains(key)", "true", W)
fault("biases of a GGUF file are not told", D + "GGUFDescription.swift", "hasAttentionBias: tensor(.projection(.query), .bias) != nil",
      "hasAttentionBias: !FAULT && tensor(.projection(.query), .bias) != nil", W)
fault("a GGUF file without a head is not tied", D + "GGUFDescription.swift", "tiesEmbeddings: tensor(.head, .weight) == nil",
      "tiesEmbeddings: !FAULT && tensor(.head, .weight) == nil", W)
fault("config.json loses its epsilon", D + "HuggingFaceDescription.swift",
      '"rms_norm_eps": number(shortest(description.normEpsilon)),',
      '"rms_norm_eps": number(FAULT ? 1e-6 : shortest(description.normEpsilon)),', W)
fault("config.json loses its bias flag", D + "HuggingFaceDescription.swift", '"mlp_bias": .bool(description.hasFeedForwardBias)',
      '"mlp_bias": .bool(!FAULT && description.hasFeedForwardBias)', W)
fault("a changed rope base is no difference", D + "ModelDescription.swift", '("rope_theta", "\\(Float(rotary.theta))")',
      '("rope_theta", FAULT ? "" : "\\(Float(rotary.theta))")', W)
fault("missing tensors are not looked for", D + "TensorInventory.swift", "guard tensor.isNeeded else",
      "guard tensor.isNeeded && !FAULT else", W)
fault("a proof does without the description", "TritVerification/Proof/ModelPart.swift", "needed.contains($0.part) && !$0.holds",
      "needed.contains($0.part) && !$0.holds && !(FAULT && $0.part == .description)", W)
fault("two tokenizers that differ count as equal", "TritVerification/Proof/PartsComparison+Tokenizer.swift",
      "guard !comparison.isEqual else", "guard !(FAULT || comparison.isEqual) else", W)

# The forward pass
fault("an epsilon ten times too large", "TritModel/Description/HuggingFaceDescription.swift",
      'Float(try reader.positive("rms_norm_eps", default: defaults.normEpsilon))',
      '(FAULT ? 10 : 1) * Float(try reader.positive("rms_norm_eps", default: defaults.normEpsilon))', M)
fault("rope_scaling's factor ignored", "TritModel/Description/RotaryEmbedding.swift",
      "1 / $0 / Float(factor)", "1 / $0 / (FAULT ? 1 : Float(factor))", M)
fault("rope pairs neighbours instead of halves", "TritKernels/InferenceVectors.swift",
      "let low = x[start + index]\n                  let high = x[start + half + index]",
      "let low = x[start + (FAULT ? 2 * index : index)]\n                  let high = x[start + (FAULT ? 2 * index + 1 : half + index)]",
      "TritKernelsTests|TritInferenceTests")
swap("scores not divided by the root of the head size", "TritKernels/InferenceAttention.swift", "Float(1 / Double(dimension).squareRoot())",
     "Float(1 / Double(dimension))", "TritKernelsTests|TritInferenceTests")
fault("tokens of a block see what comes after them", "TritKernels/InferenceAttention.swift",
      "visible: { first + tokens.lowerBound + $0 + 1 }", "visible: { FAULT ? first + tokens.upperBound : first + tokens.lowerBound + $0 + 1 }",
      "TritKernelsTests|TritInferenceTests")
fault("query heads share key heads in turn instead of in groups", "TritKernels/InferenceAttention.swift", "      head / shape.group,",
      "      FAULT ? head % shape.keyValueHeads : head / shape.group,", "TritKernelsTests|TritInferenceTests")
fault("tied embeddings ignored", "TritModel/Description/HuggingFaceDescription.swift",
      'try reader.flag("tie_word_embeddings", default: defaults.tiesEmbeddings)',
      'try reader.flag("tie_word_embeddings", default: defaults.tiesEmbeddings) && !FAULT', M)
swap("exp without the last of its terms", "TritKernels/InferenceScalar.swift", "r * (1.0 / 40320) + 1.0 / 5040", "1.0 / 5040",
     "TritKernelsTests")
swap("ReLU not squared", "TritKernels/InferenceVectors.swift", "positive * positive", "positive", "TritKernelsTests|TritInferenceTests")
fault("a perplexity that scores the token it has just read", "TritInference/Generation/Perplexity.swift", "of: window.ids[next]",
      "of: window.ids[FAULT ? position : next]", M)
swap("sliding windows score what was scored before", "TritInference/Generation/Perplexity.swift", "scored - start", "1", M)
FAULTS[-1].update(before="firstScored: scored - start", after="firstScored: FAULT ? 1 : scored - start")
swap("top-p of weights that do not sum to one", "TritInference/Generation/Sampler.swift", "kept >= topP * total", "kept >= topP", M)

# Tokenizer
fault("equal merges from right to left", "TritTokenizer/Model/BytePairModel.swift", "work.candidates[index] >> 32 < best >> 32",
      "(FAULT ? work.candidates[index] >> 32 <= best >> 32 : work.candidates[index] >> 32 < best >> 32)", T)
fault("the shortest of several added tokens", "TritTokenizer/Model/AddedToken.swift", "if ends[Int(node)] >= 0 { found =",
      "if ends[Int(node)] >= 0, !(FAULT && found != nil) { found =", T)
swap("no begin token in front of a text", "TritTokenizer/Tokenizer+Encoding.swift", "addSpecialTokens ? postProcessor.prefix : []", "[]", T)

# Verbs
fault("KL divergence the other way round", "TritEvaluation/Validate/PositionAgreement.swift", "forward += x * ratio",
      "forward += FAULT ? -y * ratio : x * ratio", W)
fault("SQNR of amplitudes instead of powers", "TritVerification/Verify/ErrorSums.swift", "10 * Logarithm.base10",
      "(FAULT ? 20 : 10) * Logarithm.base10", W)
swap("the audit of a conversion not heeded", "TritConversion/Convert/Converter.swift", "audit.passed", "true", W)
FAULTS[-1].update(before="guard audit.passed else", after="guard FAULT || audit.passed else")
dropped("the source's checksums not checked before converting", "TritConversion/Convert/Converter.swift",
        "try source.checkIntegrity(work.parallelism, work.progress)", W)

# Files
fault("an output replaced without being asked to", "TritCore/FileAccess/StagedOutput.swift", "guard replacing else",
      "guard FAULT || replacing else", C)
fault("an output never renamed to its place", "TritCore/FileAccess/StagedOutput.swift", "} else if isReplacing {",
      "} else if FAULT { } else if isReplacing {", C)
fault("left-overs of killed runs not removed", "TritCore/FileAccess/StagedOutput.swift",
      "    StagedOutput.tidyUp(after: target)", "    if !FAULT { StagedOutput.tidyUp(after: target) }", C)
fault("a file that changed while it was read", "TritCore/FileAccess/InputFile.swift",
      "now.tv_sec == modified.tv_sec, now.tv_nsec == modified.tv_nsec",
      "FAULT || (now.tv_sec == modified.tv_sec && now.tv_nsec == modified.tv_nsec)", C)
dropped("a stop that is not heeded between bands", "TritCore/Concurrency/Parallel.swift", "try cancellation.check()", C)
fault("what was moved aside not put back", "TritCore/FileAccess/StagedOutput.swift", "if role == asideSuffix, FileSystem.",
      "if !FAULT, role == asideSuffix, FileSystem.", C)
fault("the seal of a certificate not compared", "TritCertificates/SealedRecord.swift", "guard found == stated else",
      "guard FAULT || found == stated else", E + ".CertifyTests")

# Scales, rounding and what a certificate says
fault("a scale of 0 agrees with any", "TritSurvey/Scales/ScaleAgreement.swift", "if a == b { continue }",
      "if a == b || (FAULT && (a == 0 || b == 0)) { continue }", W)
swap("groups of 128 and of 64 compared on the coarser grid", "TritSurvey/Scales/ScaleGrid.swift",
     "ScaleGrid.greatestDivisor(one, other)", "max(one, other)", W)
fault("a magnitude in Float compared as bfloat16", "TritSurvey/Scales/ScaleRoute.swift",
      "!(isFloat && origin == .first)", "(FAULT || !(isFloat && origin == .first))", W)
swap("numbers that share a scale may be several", "TritSurvey/Scales/ScaleAgreement.swift", "origin != .first", "false", W)
swap("what one matrix alone needs was done to it", "TritSurvey/Scales/ScaleCertainty.swift",
     "Double(places.count) < share * Double(count)", "false", W)
swap("many rounded scales of one matrix are doubted as one is", "TritSurvey/Scales/ScaleCertainty.swift",
     "places.filter { !all[$0].areEven }", "places", W)
swap("scales that were moved show rounding", "TritSurvey/Scales/StepPlaces.swift", "distance <= StepPlaces.bound", "true", W)
swap("two numbers that meet in their middle are one", "TritSurvey/Scales/ScaleRoute.swift",
     "least == largest && holds(one) && holds(two)", "least == largest", W)
swap("a scale that vanishes counts as rounded", "TritSurvey/Scales/ScaleAgreement.swift",
     "stored.isFinite && stored > 0 && (stored == value || stored >= smallest)", "true", W)
swap("a factor counts as rounding", "TritEvaluation/Validate/MatrixRounding.swift", "2 * abs(alignment) > share * size", "false", W)
swap("sums of zeros count as rounded", "TritInference/Weights/StoredForms.swift", "values.contains { $0 != 1 }", "true", W)
swap("norms with all their digits count as sums of F16", "TritInference/Weights/StoredForms.swift", "values.allSatisfy(HalfFloat.holds)", "true", W)
swap("the KL of one token has no room of its own", "TritEvaluation/Validate/RoundingDifferences.swift",
     "noise.map { factor * $0.meanKL } + implied", "noise.map { factor * $0.meanKL }", W)
swap("KL follows the largest difference in models that were not compared step by step",
     "TritEvaluation/Validate/RoundingDifferences.swift", "floats != nil && !found.steps.isEmpty", "true", W)
swap("small matrices of delta nets are not read where their steps agree", "TritEvaluation/Validate/ValidateWorkflow.swift",
     "unreached + bounds.small(of: steps.names)", "unreached", W)
swap("angles that one token does not show are not compared", "TritEvaluation/Validate/StepComparison.swift",
     "strangeRow != nil || otherSetting != nil", "strangeRow != nil", W)
swap("rows that a text does not use are not compared", "TritEvaluation/Validate/StepBounds+Unreached.swift", "!isTied", "false", W)
swap("a projection left dense is no difference", "TritVerification/Verify/TensorComparison.swift",
     "permission != nil && permitted == nil", "false", W)
swap("any number counts as rounded by its block", "TritVerification/Verify/DenseComparison.swift",
     "abs(before[index] - after[index]) <= codec.bound(values[index], at: place, in: bytes)", "true", W)
fault("Q6_K's scale fitted once", "TritLayouts/Q6_K.swift", "for trial in -9...9 where trial != 0 {",
      "for trial in -9...9 where trial != 0 && !FAULT {", L)
swap("a kept projection has its own type in a dense GGUF", "TritConversion/Convert/GGUF/GGUFPlanner.swift",
     "request.gguf.weights.dtype ?? dtype", "dtype", W)
swap("latents are written as an ordinary model", "TritConversion/Convert/Planner.swift",
     "(survey.kind == .ordinary || survey.kind == .undetermined)", "true", W)
swap("embeddings of a GGUF become F16", "TritConversion/Convert/GGUF/GGUFOptions.swift", "dtype == .f64 ? .f32 : dtype", "DType.f16", W)
fault("a recipe takes ternary weights as they are", "TritSurvey/Weights/TernaryWeight.swift",
      "recognition == .takenAsTheyAre, let scale", "FAULT || recognition == .takenAsTheyAre, let scale", W)
swap("gates and recipe of a certificate not compared", "TritCertificates/CertifyWorkflow.swift",
     "zip(certificate.statements, again.statements)", "zip(again.statements, again.statements)", E + ".CertifyTests")

# What a model is, again: keys that newer families and proofs need
swap("GGUF's number of key heads is that of query heads", D + "GGUFDescription.swift", 'try keys.integer("attention.head_count_kv") ?? heads',
     "heads", W)
swap("GGUF's head width is hidden by heads", D + "GGUFDescription.swift",
     'try keys.integer("attention.key_length") ?? hiddenSize / heads', "hiddenSize / heads", W)
dropped("GGUF's epsilon is not written", D + "GGUFDescription.swift",
        'add("attention.layer_norm_rms_epsilon", .float32(description.normEpsilon))', W)
fault("YaRN's factor is written as one", D + "GGUFRotary.swift",
      '("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(Float(yarn.factor)))',
      '("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(FAULT ? 1 : Float(yarn.factor)))', W)
fault("the attention factor of YaRN is the standard one in GGUF", D + "GGUFRotary.swift", "attentionFactor: ratio * standard",
      "attentionFactor: (FAULT ? 1 : ratio) * standard", W)
swap("rotary factors that are a tensor are not looked at", D + "GGUFRotary.swift", "divisors.contains(where: { $0 != 1 })", "false", W)
fault("the residual multiplier of MiniCPM is not written", D + "GGUFDescription.swift",
      "in try multiplierEntries(description, form, refuse) {",
      "in try multiplierEntries(description, form, refuse) where !(FAULT && key == MultiplierKeys.residual) {", W)
fault("config.json loses whether the head is tied", D + "HuggingFaceDescription.swift",
      '"tie_word_embeddings": .bool(description.tiesEmbeddings)',
      '"tie_word_embeddings": .bool(!FAULT && description.tiesEmbeddings)', W)
dropped("config.json loses its rope scaling", D + "HuggingFaceDescription.swift",
        'result["rope_scaling"] = description.rotary.scaling.configuration', W)
fault("original_max_position_embeddings beside the settings is not read", D + "RotaryEmbedding+Configuration.swift",
      "if let outer, outer != inner {", "if !FAULT, let outer, outer != inner {", M)
dropped("a null rope base is an absent one", D + "RotaryEmbedding+Configuration.swift",
        'try reader.refuseNull("rope_theta", "a number")', M)
fault("config.json's unknown keys are ignored", D + "ConfigurationReader.swift", "where !readKeys.contains(entry.key)",
      "where !FAULT && !readKeys.contains(entry.key)", M)
fault("ends of a turn in GGUF end no text", D + "GGUFDescription.swift", "furtherEnds.compactMap({",
      "(FAULT ? [] : furtherEnds).compactMap({", W)
fault("a GGUF key of another kind counts as absent", D + "GGUFKeyTypes.swift", "guard let kind, !kind.holds(entry.value)",
      "guard !FAULT, let kind, !kind.holds(entry.value)", W)

# What a proof may take from the model it proves
V = "TritVerification/Verify/"
fault("a converted model's word for its arithmetic is taken", V + "VerifyWorkflow.swift",
      "if usesOther, request.quantizer == nil", "if !FAULT, usesOther, request.quantizer == nil", W)
fault("a ternary embedding is what its source gives", V + "DensePermission.swift",
      "role.isProjection && reason(tensor) != .source", "FAULT || role.isProjection && reason(tensor) != .source", W)
fault("counts layer by layer are absent to the independent decoder", "TritSurvey/Decoding/IndependentDecoder+GGUF.swift",
      "value?.integer ?? value?.commonInteger", "value?.integer ?? (FAULT ? nil : value?.commonInteger)", W)
fault("a norm of zeros is converted", "TritConversion/Convert/ZeroWatch.swift", "isLive.load(ordering: .relaxed) ? nil",
      "FAULT || isLive.load(ordering: .relaxed) ? nil", W)
fault("one flip among few positions fails", "TritEvaluation/Validate/ValidateResult.swift",
      "guard (1..<1000).contains(positions)", "guard !FAULT, (1..<1000).contains(positions)", W)
fault("a character of compatible parts stays in NFKC", "TritTokenizer/Normalization/NormalizationTables.swift",
      "for value in wholeScalars where holdsCompatible(value)", "for value in wholeScalars where !FAULT && holdsCompatible(value)", T)

# What loaders make of a folder
fault("settings that are absent are not stated for mlx-lm", D + "MLXDescription.swift", "if result[key] ?? .null == .null {",
      "if !FAULT, result[key] ?? .null == .null {", "TritConversionTests.MLX")
dropped("a second place of rotary settings is left to mlx-lm", D + "MLXDescription.swift", 'result["rope_parameters"] = nil', "TritConversionTests.MLX")
fault("mlx-lm's missing biases are not looked at", D + "MLXDescription.swift", "if !form.hasBiases,", "if !FAULT, !form.hasBiases,",
      "TritConversionTests.MLX")
fault("a list of modules that leaves out the head is no matter", D + "QuantizationScheme.swift",
      "scheme.convertsHead = !scheme.excludes(HFQuantization.head)",
      "scheme.convertsHead = !FAULT && !scheme.excludes(HFQuantization.head)", W)
swap("sampling keys of GGUF are no generation settings", "TritModel/GGUF/GGUFSampling.swift",
     "result.entries.isEmpty", "true", W)
FAULTS[-1].update(before="guard !result.entries.isEmpty else", after="guard !FAULT, !result.entries.isEmpty else")
fault("kinds of values are not looked at", D + "KeyKinds.swift", "guard let value = value(key), !isRight(value) else",
      "guard !FAULT, let value = value(key), !isRight(value) else", M)
fault("a tied head is any head", D + "TiedHead.swift", "guard description.tiesEmbeddings,", "guard !FAULT, description.tiesEmbeddings,",
      "TritVerificationTests.LoaderTests")
fault("names in tokenizer_config.json add no tokens", "TritTokenizer/Loading/NamedTokens.swift", "if let id = id(content) {",
      "if FAULT {} else if let id = id(content) {", T)
fault("a tokenizer that is not read is none", "TritSurvey/Running/Tokenizer+Source.swift", "return files.isEmpty",
      "return FAULT || files.isEmpty", "TritVerificationTests.LoaderTests")
fault("an audit's witness does not look at the scale", "TritVerification/Verify/AuditWitness.swift",
      "guard try source.scale(of: tensor) == scale else", "guard try FAULT || source.scale(of: tensor) == scale else", W)

# Nothing grows with a row
B = "TritCore/Tensor/MatrixBands.swift"
swap("rows are never cut", B, "shape.hasLongRows ? Swift.max(1, elements) : columns", "columns", C)
swap("pieces of a row begin at its first column", "TritLayouts/TernaryLayout.swift", "(columns?.lowerBound ?? 0)", "0", L)
fault("pieces of TritPack's rows come from the first part", "TritLayouts/SplitRow.swift", "plane: part, columns: found",
      "plane: FAULT ? 0 : part, columns: found", L)
fault("a piece of a packed row has four times one quarter", "TritLayouts/HFPacked.swift", "movedBy: $0 * quarter",
      "movedBy: FAULT ? 0 : $0 * quarter", L)
fault("layouts of whole rows take any row", "TritLayouts/TernaryLayout.swift", "guard !shape.hasLongRows else { throw",
      "guard FAULT || !shape.hasLongRows else { throw", L)
fault("a piece of a row has the scale of its first group", "TritCore/Tensor/ScalePlaces.swift",
      "row: row(band.rows.lowerBound), column: column", "row: row(band.rows.lowerBound), column: FAULT ? 0 : column", C)
fault("the independent decoder reads one place of a byte", "TritSurvey/Decoding/IndependentDecoder.swift", "table[value * perByte + place]",
      "table[value * perByte + (FAULT ? 0 : place)]", "TritSurveyTests.LongRowTests")
dropped("codes of long rows are not looked at", "TritVerification/Rules/ValueCheck.swift",
        "counts.invalid += trits.count { $0 == IndependentDecoder.invalid }", "TritSurveyTests.LongRowTests")
fault("groups of a long row have the scale of the last", "TritSurvey/Weights/WeightPass+Ternary.swift",
      "guard scale == 0 || scale == magnitude else", "guard FAULT || scale == 0 || scale == magnitude else", "TritSurveyTests.LongRowTests")

# Nothing replaces an input, nothing lies
fault("an output may be what was read", "TritCore/FileAccess/ReadFiles.swift", "if let input = name(of: identity) {",
      "if !FAULT, let input = name(of: identity) {", E + ".InputsStayTests")
swap("another file under a name that was open counts as the same", "TritCore/FileAccess/DescriptorPool.swift",
     "FileIdentity(status) == FileIdentity(first)", "true", C)
fault("the pool of open files has no limit", "TritCore/FileAccess/DescriptorPool.swift", "if isFull { _ = closeOldest() }",
      "if isFull, !FAULT { _ = closeOldest() }", C)
fault("the hidden name grows with the target's", "TritCore/FileAccess/StagedOutput.swift", "digest.prefix(nameDigits)",
      "(FAULT ? FileSystem.name(of: target)[...] : digest.prefix(nameDigits))", C + "|" + E)
dropped("keys of a certificate that nobody knows", "TritCertificates/Certificate.swift",
        "try Certificate.checkKeys(object, path)", E + ".CertifyTests")
swap("a byte order mark is not told", "TritFormats/HuggingFace/ConfigurationText.swift", "JSONValue.hasByteOrderMark(bytes)",
     "false", F + "|" + W)
fault("a scale of 0 over trits is sound", "TritVerification/Rules/TernaryCheck.swift",
      "live.isLive[$0] && !TernaryCheck", "!FAULT && live.isLive[$0] && !TernaryCheck", W)
fault("calibration with a context of one token", "TritSurvey/Weights/CalibrationStatistics.swift", "guard window >= 2 else",
      "guard FAULT || window >= 2 else", W)
swap("group columns near 2^63 are rounded up by a sum", "TritCore/Tensor/TernaryScale.swift",
     "columns / max(1, size) + (columns % max(1, size) == 0 ? 0 : 1)", "(columns + size - 1) / max(1, size)", C)

# Numbers that loaders refuse or make NaN of
fault("a divisor of 0 over zeros is as good as any", "TritSurvey/Scales/ScaleAgreement.swift", "guard first == second ||",
      "guard FAULT || first == second ||", W)
fault("a divisor of 0 is copied", "TritConversion/Convert/Converter+Streaming.swift", "holdsMultipliers ? scale : scale.withSoundDivisors",
      "FAULT || holdsMultipliers ? scale : scale.withSoundDivisors", W)
fault("biases of MLX are not compared", "TritFormats/Safetensors/SafetensorsSource.swift",
      "(scale.biases.map { try bytes(at: $0) } ?? [])", "((FAULT ? nil : scale.biases).map { try bytes(at: $0) } ?? [])", W)
dropped("types of GGUF keys that llama.cpp refuses are copied", D + "GGUFKeyMisfit.swift", "result[index].value = value", W)

# Files of logits and hidden states
fault("delta net heads out of order pass beside a file of logits", "TritEvaluation/Validate/FloatAgreement.swift",
      "{ model.roundsNoInputs &&", "{ !FAULT && model.roundsNoInputs &&", W)
fault("a matrix that no rounding explains passes as rounded", "TritEvaluation/Validate/StepBounds.swift",
      "guard measured.isExplained else", "guard FAULT || measured.isExplained else", W)
fault("rounding is bounded by a unit's own size where products cancel", "TritEvaluation/Validate/MatrixRounding.swift",
      "max(expected, own)", "FAULT ? own : max(expected, own)", W)
fault("a GGUF file has room that no other file has", "TritEvaluation/Validate/FloatAgreement.swift",
      "guard !model.hasSumsOfHalves else", "guard !(model.hasSumsOfHalves || FAULT && source is GGUFModelView) else", W)
swap("norms that hold w have room for rounding", "TritEvaluation/Validate/FloatAgreement.swift", '!tensor.contains(".linear_attn.")',
     "true", W)
fault("a hidden state of a file that is wrong passes", "TritEvaluation/Validate/ReferenceStates.swift",
      "{ total.add(expected[index], values[index]) }",
      "{ total.add(FAULT ? values[index] : expected[index], values[index]) }", W)
fault("a tensor of a file of logits that nothing reads is not named", "TritEvaluation/Validate/ReferenceLogits.swift",
      "unread.append(tensor.name)", "if !FAULT { unread.append(tensor.name) }", W)

# Panels
fault("rows of a panel are read in pairs the wrong way round", "TritKernels/GroupedMatrix.swift", "+ row % tileRows * 4",
      "+ (FAULT ? row % tileRows ^ 1 : row % tileRows) * 4", K)
fault("the scales of a panel are those of the one before", "TritKernels/GroupedMatrix.swift",
      "isThere ? grid.multiplier(row: row,", "isThere ? grid.multiplier(row: FAULT ? max(0, row - 16) : row,", K)
fault("a byte that stands for five digits passes where four are", "TritLayouts/RowBlocks.swift", "digits == 5 ? 243 : 81",
      "FAULT || digits == 5 ? 243 : 81", L)
fault("codes of 3 among consecutive ones are not counted", "TritKernels/ConsecutiveCodes.swift",
      "guard seen & 0x0101_0101 != .zero else", "guard !FAULT, seen & 0x0101_0101 != .zero else", L)
fault("a negative scale among codes is read", "TritFormats/GGUF/EmbeddedScaleReader.swift",
      "scale.bits < 0x7C00 || scale.bits == 0x8000", "scale.bits < 0x7C00 || (FAULT ? scale.float < 0 : scale.bits == 0x8000)",
      "TritConversionTests")
fault("numbers of half precision and more count as such", "TritCore/Numerics/HalfFloat.swift", "113...142 ~=",
      "113...(FAULT ? 143 : 142) ~=", C)
fault("all rows of a panel have the scale of its first", "TritKernels/GroupedMatrix.swift", "* tileRows + row % tileRows }",
      "* tileRows + (FAULT ? 0 : row % tileRows) }", K)
