// Tritsmith: running and measuring another program.

import CommandLineKit
import LibC
import TritCore

/// A program that was run to its end, its output thrown away.
struct ChildProcess {
  var seconds: Double
  /// In user and system mode, over all threads.
  var processorSeconds: Double
  var peakResidentBytes: UInt64

  /// - Throws: when the program cannot be started or does not end with status 0.
  static func run(_ program: String, _ arguments: [String]) throws -> ChildProcess {
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    #if canImport(Darwin) || canImport(Android)
      var actions: posix_spawn_file_actions_t?
    #else
      var actions = posix_spawn_file_actions_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    var child: pid_t = 0
    let start = Platform.monotonicSeconds
    let code = posix_spawn(&child, program, &actions, nil, &words, environ)
    guard code == 0 else {
      throw ValidationError("cannot run \(program): \(Platform.message(forErrno: code))")
    }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(child, &status, 0, &usage) < 0 && errno == EINTR {}
    let seconds = Platform.monotonicSeconds - start
    guard status == 0 else {
      throw ValidationError("\(program) \(arguments.joined(separator: " ")) ended with wait status \(status)")
    }
    func time(_ value: timeval) -> Double { Double(value.tv_sec) + Double(value.tv_usec) * 1e-6 }
    return ChildProcess(
      seconds: seconds, processorSeconds: time(usage.ru_utime) + time(usage.ru_stime),
      peakResidentBytes: UInt64(usage.ru_maxrss) * Platform.residentUnit)
  }
}
