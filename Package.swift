// swift-tools-version: 6.2
// Tritsmith: a model format converter and inspector for BitNet (1.58-bit, ternary) language models.

import PackageDescription

// Imports point to a lower layer only; targets of one layer never import each other (Docs/Architecture.md).
let package = Package(
  name: "tritsmith",
  platforms: [.macOS(.v26)],
  products: [
    .library(name: "Tritsmith", targets: ["Tritsmith"]),
    .executable(name: "tritsmith", targets: ["TritsmithCommand"]),
    .executable(name: "trit-bench", targets: ["trit-bench"]),
    .library(name: "TritLayers", targets: ["TritLayers"]),
  ],
  targets: [
    // Layer 0: C, intrinsics and libraries of the system.
    .target(name: "CTritKernels"),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl"])]),

    // Layer 1: vocabulary, reports, command line. None knows the others.
    .target(name: "TritCore", dependencies: ["CCrypto"]),
    .target(name: "TritReport"),
    .target(name: "CommandLineKit"),

    // Layer 2
    .target(name: "TritKernels", dependencies: ["TritCore", "CTritKernels"]),
    .target(name: "TritTokenizer", dependencies: ["TritCore"]),

    // Layer 3: how trits become bytes, how floats become trits.
    .target(name: "TritLayouts", dependencies: ["TritCore", "TritKernels"]),
    .target(name: "TritQuantizers", dependencies: ["TritCore", "TritKernels"]),

    // Layer 4: containers on disk, and models.
    .target(name: "TritFormats", dependencies: ["TritCore", "TritLayouts", "CZstd"]),
    .target(name: "TritModel", dependencies: ["TritCore", "TritKernels", "TritLayouts"]),
    .target(name: "TritLayers", dependencies: ["TritCore", "TritKernels", "TritLayouts", "TritQuantizers"]),

    // Layer 5: the verbs as library calls.
    .target(
      name: "TritWorkflows",
      dependencies: [
        "TritCore", "TritReport", "TritKernels", "TritTokenizer", "TritLayouts", "TritQuantizers", "TritFormats",
        "TritModel",
      ]),

    // Layer 6: the library as programs import it, and executables. A module cannot be called `tritsmith` beside
    // `Tritsmith`: file systems of macOS take them for one.
    .target(
      name: "Tritsmith",
      dependencies: [
        "TritCore", "TritReport", "TritKernels", "TritTokenizer", "TritLayouts", "TritQuantizers", "TritFormats",
        "TritModel", "TritWorkflows",
      ], path: "Sources/TritsmithLibrary"),
    .executableTarget(
      name: "TritsmithCommand", dependencies: ["TritWorkflows", "TritReport", "CommandLineKit"],
      path: "Sources/tritsmith"),
    .executableTarget(name: "trit-bench", dependencies: ["TritWorkflows", "TritReport", "CommandLineKit"]),

    // Programs of the documentation, run by the tests.
    .executableTarget(name: "TenLines", dependencies: ["Tritsmith"], path: "Docs/Examples/TenLines"),
    .executableTarget(name: "PackByHand", dependencies: ["Tritsmith"], path: "Docs/Examples/PackByHand"),

    // Tests
    .target(name: "TritTestSupport", dependencies: ["TritCore"], path: "Tests/TritTestSupport"),
    .target(
      name: "TritHostile", dependencies: ["TritWorkflows", "TritReport", "TritTestSupport"], path: "Tests/TritHostile"),
    .executableTarget(name: "trit-lab", dependencies: ["TritCore", "TritHostile"], path: "Tests/TritLab"),
    .testTarget(name: "HostileTests", dependencies: ["TritHostile", "trit-lab", "TritTestSupport"]),
    .testTarget(name: "TritCoreTests", dependencies: ["TritCore", "TritTestSupport"]),
    .testTarget(name: "TritReportTests", dependencies: ["TritReport", "TritTestSupport"]),
    .testTarget(name: "CommandLineKitTests", dependencies: ["CommandLineKit"]),
    .testTarget(name: "TritKernelsTests", dependencies: ["TritKernels", "TritTestSupport"]),
    .testTarget(name: "TritTokenizerTests", dependencies: ["TritTokenizer", "TritTestSupport"]),
    .testTarget(name: "TritLayoutsTests", dependencies: ["TritLayouts", "TritFormats", "TritTestSupport"]),
    .testTarget(name: "TritQuantizersTests", dependencies: ["TritQuantizers", "TritFormats", "TritTestSupport"]),
    .testTarget(name: "TritLayersTests", dependencies: ["TritLayers", "TritTestSupport"]),
    .testTarget(name: "TritFormatsTests", dependencies: ["TritFormats", "TritTestSupport"]),
    .testTarget(name: "TritModelTests", dependencies: ["TritModel", "TritFormats", "TritTestSupport"]),
    .testTarget(name: "TritWorkflowsTests", dependencies: ["TritWorkflows", "TritTestSupport"]),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "TritWorkflows", "TritsmithCommand", "CommandLineKit", "TenLines", "PackByHand", "TritTestSupport",
      ]),
    .testTarget(name: "TritsmithTests", dependencies: ["Tritsmith", "TritTestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)

// The driver of libFuzzer has no main function of its own and links only with -sanitize=fuzzer (Tests/Fuzzing/run.sh).
if Context.environment["TRITSMITH_FUZZING"] != nil {
  package.products.append(.executable(name: "trit-fuzz", targets: ["trit-fuzz"]))
  package.targets.append(
    .executableTarget(name: "trit-fuzz", dependencies: ["TritHostile"], path: "Tests/Fuzzing/Driver"))
}
