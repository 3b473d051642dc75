// swift-tools-version: 6.3
// Tritsmith: a model format converter and inspector for BitNet (1.58-bit, ternary) language models.

import PackageDescription

// Every module a target imports is named: one that is not is built all the same, and not built again when that module
// changes. What a list names and a target does not import lies below something that it does.
let models: [Target.Dependency] = [
  "TritCore", "TritReport", "TritKernels", "TritTokenizer", "TritLayouts", "TritQuantizers", "TritFormats", "TritModel",
]
let surveys = models + ["TritSurvey"]
let verbs = surveys + ["TritVerification", "TritConversion"]
let library =
  verbs + ["TritHub", "TritInference", "TritEvaluation", "TritInspection", "TritMerge", "TritCertificates", "TritDiff"]

// What the support of the verbs' tests imports, and what it holds: its functions return values of all these modules, so
// that tests which call it are built again when one of them changes.
let supportOfVerbs = verbs + ["TritInference", "TritInspection", "TritTestSupport"]
let testsOfVerbs = supportOfVerbs + ["WorkflowTestSupport"]

// Imports point to a lower layer only; targets of one layer never import each other (Docs/Architecture.md).
let package = Package(
  name: "tritsmith",
  // The first with Array.span.
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "Tritsmith", targets: ["Tritsmith"]),
    .executable(name: "tritsmith", targets: ["TritsmithCommand"]),
    .executable(name: "trit-bench", targets: ["trit-bench"]),
    .library(name: "TritLayers", targets: ["TritLayers"]),
  ],
  targets: [
    // Layer 0: C, intrinsics and libraries of the system (libcurl is loaded when it is needed, never linked), the C
    // library among them; the rule for text that is shown, and the distance of words.
    .target(name: "CTritKernels"),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CCurl"),
    .target(name: "VisibleText"),
    .target(name: "LibC"),

    // Layer 1: vocabulary, reports, command line. None knows the others.
    // Apple's platforms have CommonCrypto.
    .target(
      name: "TritCore",
      dependencies: [
        .target(name: "CCrypto", condition: .when(platforms: [.linux, .android])), "LibC", "VisibleText",
      ]),
    .target(name: "TritReport", dependencies: ["LibC", "VisibleText"]),
    .target(name: "CommandLineKit", dependencies: ["LibC", "VisibleText"]),

    // Layer 2
    .target(name: "TritKernels", dependencies: ["LibC", "TritCore", "CTritKernels"]),
    .target(name: "TritTokenizer", dependencies: ["VisibleText", "TritCore"]),
    .target(name: "TritHub", dependencies: ["LibC", "VisibleText", "TritCore", "CCurl"]),

    // Layer 3: how trits become bytes, how floats become trits.
    .target(name: "TritLayouts", dependencies: ["TritCore", "TritKernels"]),
    .target(name: "TritQuantizers", dependencies: ["TritCore", "TritKernels"]),

    // Layer 4: containers on disk.
    .target(name: "TritFormats", dependencies: ["VisibleText", "TritCore", "TritKernels", "TritLayouts", "CZstd"]),

    .target(name: "TritLayers", dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritQuantizers"]),

    // Layer 5: what models are.
    .target(
      name: "TritModel",
      dependencies: [
        "LibC", "VisibleText", "TritCore", "TritKernels", "TritTokenizer", "TritLayouts", "TritFormats",
      ]),

    // Layer 6: how they compute.
    .target(
      name: "TritInference",
      dependencies: ["LibC", "TritCore", "TritKernels", "TritLayouts", "TritQuantizers", "TritFormats", "TritModel"]),

    // Layers 7 to 10: the verbs as library calls. What a model is, what its weights hold, and running it; then holding
    // one model against the rules and against another; then converting, and measuring; then looking into models.
    .target(name: "TritSurvey", dependencies: models + ["LibC", "TritInference"]),
    .target(name: "TritVerification", dependencies: surveys + ["VisibleText", "TritInference"]),
    .target(name: "TritConversion", dependencies: surveys + ["TritVerification"]),
    .target(name: "TritEvaluation", dependencies: surveys + ["VisibleText", "TritInference", "TritVerification"]),
    .target(name: "TritInspection", dependencies: verbs + ["VisibleText"]),

    // Layer 11: what few users need; none knows the others, and the verbs know none of them.
    .target(name: "TritMerge", dependencies: verbs),
    .target(name: "TritCertificates", dependencies: verbs + ["VisibleText"]),
    .target(name: "TritDiff", dependencies: verbs),

    // Layer 12: the library as programs import it, and executables. A module cannot be called `tritsmith` beside
    // `Tritsmith`: file systems of macOS take them for one.
    .target(name: "Tritsmith", dependencies: library, path: "Sources/TritsmithLibrary"),
    .executableTarget(
      name: "TritsmithCommand", dependencies: library + ["CommandLineKit"], path: "Sources/tritsmith"),
    .executableTarget(
      name: "trit-bench",
      dependencies: verbs + ["LibC", "TritInference", "TritInspection", "CommandLineKit"]),

    // Programs of the documentation, run by the tests.
    .executableTarget(name: "TenLines", dependencies: ["Tritsmith"], path: "Docs/Examples/TenLines"),
    .executableTarget(name: "PackByHand", dependencies: ["Tritsmith"], path: "Docs/Examples/PackByHand"),

    // Tests.
    .target(name: "TritTestSupport", dependencies: ["TritCore", "CZstd"], path: "Tests/TritTestSupport"),
    .target(name: "TritHostile", dependencies: library + ["TritTestSupport"], path: "Tests/TritHostile"),
    .executableTarget(
      name: "trit-lab", dependencies: ["TritCore", "TritHostile", "TritTestSupport"], path: "Tests/TritLab"),
    // What .ci/arm64 holds the C kernels against.
    .executableTarget(
      name: "trit-vectors", dependencies: ["TritCore", "TritKernels", "TritTestSupport"], path: "Tests/KernelVectors"),
    .testTarget(
      name: "HostileTests", dependencies: ["VisibleText", "TritCore", "TritHostile", "trit-lab", "TritTestSupport"]),
    .testTarget(name: "TritCoreTests", dependencies: ["TritCore", "TritTestSupport"]),
    .testTarget(name: "TritReportTests", dependencies: ["TritCore", "TritReport", "TritTestSupport"]),
    .testTarget(name: "CommandLineKitTests", dependencies: ["CommandLineKit", "VisibleText"]),
    .testTarget(name: "TritKernelsTests", dependencies: ["LibC", "TritCore", "TritKernels", "TritTestSupport"]),
    .testTarget(name: "TritTokenizerTests", dependencies: ["TritCore", "TritTokenizer", "TritTestSupport"]),
    .testTarget(name: "TritHubTests", dependencies: ["TritCore", "TritHub", "TritTestSupport"]),
    .testTarget(
      name: "TritLayoutsTests",
      dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritFormats", "TritTestSupport"]),
    .testTarget(
      name: "TritQuantizersTests",
      dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritQuantizers", "TritFormats", "TritTestSupport"]),
    .testTarget(
      name: "TritLayersTests",
      dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritLayers", "TritTestSupport"]),
    .testTarget(
      name: "TritFormatsTests",
      dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritFormats", "TritTestSupport"]),
    .testTarget(
      name: "TritModelTests",
      dependencies: ["TritCore", "TritTokenizer", "TritLayouts", "TritFormats", "TritModel", "TritTestSupport"]),
    .testTarget(
      name: "TritInferenceTests",
      dependencies: [
        "LibC", "TritCore", "TritKernels", "TritQuantizers", "TritFormats", "TritModel", "TritInference",
        "TritTestSupport",
      ]),
    // Of the verbs: a file of tests lies with the module it speaks of, whatever makes its models.
    .target(name: "WorkflowTestSupport", dependencies: supportOfVerbs, path: "Tests/WorkflowTestSupport"),
    .testTarget(name: "TritSurveyTests", dependencies: testsOfVerbs),
    .testTarget(name: "TritVerificationTests", dependencies: testsOfVerbs),
    .testTarget(name: "TritConversionTests", dependencies: testsOfVerbs + ["LibC"]),
    .testTarget(name: "TritEvaluationTests", dependencies: testsOfVerbs + ["TritEvaluation"]),
    .testTarget(name: "TritInspectionTests", dependencies: testsOfVerbs + ["LibC", "TritEvaluation"]),
    .testTarget(name: "TritMergeTests", dependencies: testsOfVerbs + ["TritMerge"]),
    .testTarget(name: "TritCertificatesTests", dependencies: testsOfVerbs + ["TritCertificates"]),
    .testTarget(name: "TritDiffTests", dependencies: testsOfVerbs + ["TritDiff"]),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "TritCore", "TritsmithCommand", "CommandLineKit", "TenLines", "PackByHand", "TritTestSupport",
      ]),
    // What the library exports is named as well: SwiftPM does not see that its module holds theirs, and would keep what
    // was compiled against their old shapes.
    .testTarget(name: "TritsmithTests", dependencies: library + ["Tritsmith", "TritTestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)

// Without the network: models are read from this machine only, and nothing of libcurl is built or loaded.
if Context.environment["TRITSMITH_NO_NETWORK"] != nil {
  package.targets.removeAll { $0.name == "CCurl" }
  for target in package.targets where target.name == "TritHub" || target.name == "TritHubTests" {
    target.dependencies.removeAll { if case .byNameItem("CCurl", _) = $0 { true } else { false } }
    target.swiftSettings = [.define("TRITSMITH_NO_NETWORK")]
  }
}

// The driver of libFuzzer has no main function of its own and links only with -sanitize=fuzzer (Tests/Fuzzing/run.sh).
if Context.environment["TRITSMITH_FUZZING"] != nil {
  package.products.append(.executable(name: "trit-fuzz", targets: ["trit-fuzz"]))
  package.targets.append(
    .executableTarget(name: "trit-fuzz", dependencies: ["TritHostile"], path: "Tests/Fuzzing/Driver"))
}
