// Tritsmith: writes what the definition of every kernel makes of many inputs, for the conformance program in C.

import TritKernels
import TritTestSupport

/// `trit-vectors FILE` writes the file `Tests/KernelConformance/conformance.c` reads.
@main
enum Vectors {
  static func main() {
    guard CommandLine.arguments.count == 2, let definition = InferenceEngine.allKernels.last else {
      print("usage: trit-vectors FILE")
      return
    }
    var file = VectorFile()
    file.addQuantizing()
    file.addInference(definition)
    RawFile.write(file.bytes, to: CommandLine.arguments[1])
    print("\(file.count) vectors of the \(definition.name) definition, \(file.bytes.count) bytes")
  }
}
