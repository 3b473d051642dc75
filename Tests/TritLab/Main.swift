// Tritsmith: hostile files in a process of their own, so that what it costs can be measured.

import TritCore
import TritHostile
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// `trit-lab TARGET FILE...` points a reader at files and prints for each the verdict, the peak resident size in bytes
/// without pages of files, and the processor time in milliseconds so far. Exit 0 for typed answers, 1 for a broken one.
@main
enum Lab {
  static func main() {
    let arguments = CommandLine.arguments
    guard arguments.count >= 3, let target = HostileTarget(rawValue: arguments[1]) else {
      HostileLab.complain("usage: trit-lab TARGET FILE...")
      exit(64)
    }
    // As the command does.
    Platform.returnFreedMemory()
    let folder = HostileLab.makeFolder()
    do {
      let lab = try HostileLab(folder: folder)
      var isBroken = false
      for path in arguments[2...] {
        let verdict = lab.probe(target, Disk.bytes(path))
        let peak = ProcessRunner.peakOwnBytes ?? 0
        print(name(of: verdict), peak, clock() / (CLOCKS_PER_SEC / 1000))
        if case .broken(let text) = verdict {
          HostileLab.complain("\(path): \(text)")
          isBroken = true
        }
      }
      Disk.remove(folder)
      if isBroken { exit(1) }
    } catch {
      HostileLab.complain("no lab: \(error)")
      exit(70)
    }
  }

  private static func name(of verdict: HostileVerdict) -> String {
    switch verdict {
    case .accepted: "accepted"
    case .refused: "refused"
    case .broken: "broken"
    }
  }
}
