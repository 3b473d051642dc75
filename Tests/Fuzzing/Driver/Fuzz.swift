// Tritsmith: the driver of libFuzzer.

import TritHostile

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// libFuzzer's loop, linked in by `-sanitize=fuzzer`; the package manager gives executables a main function of its own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main
enum Fuzz {
  /// The reader chosen by `TRITSMITH_FUZZ_TARGET`, and the lab it is attacked in.
  nonisolated(unsafe) private static let chosen: (target: HostileTarget, lab: HostileLab) = {
    let name = getenv("TRITSMITH_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = HostileTarget(rawValue: name) else {
      HostileLab.complain("TRITSMITH_FUZZ_TARGET is '\(name)', expected one of \(HostileTarget.allCases)")
      exit(64)
    }
    let depth: HostileLab.Depth = getenv("TRITSMITH_FUZZ_DEEP") == nil ? .sampled : .everything
    do {
      return (target, try HostileLab(folder: HostileLab.makeFolder(), depth: depth))
    } catch {
      HostileLab.complain("no lab: \(error)")
      exit(70)
    }
  }()

  static func main() {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(runFuzzer(&count, &arguments) { data, count in Fuzz.test(UnsafeBufferPointer(start: data, count: count)) })
  }

  /// Called for every input; a broken answer ends the process, which libFuzzer records with its input.
  private static func test(_ bytes: UnsafeBufferPointer<UInt8>) -> CInt {
    if case .broken(let fault) = chosen.lab.probe(chosen.target, Array(bytes)) {
      HostileLab.complain("BROKEN: \(fault)")
      abort()
    }
    return 0
  }
}
