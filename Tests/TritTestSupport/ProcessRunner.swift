// Tritsmith: running programs from tests.

import TritCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a child process ended and what it said.
package struct ProcessResult: Sendable {
  /// Nil when a signal ended it.
  package var exitCode: Int32?
  package var signal: Int32?
  package var output: String
  package var errors: String
  /// The largest resident size seen while it ran, in bytes; 0 when it was not watched.
  package var peakResidentBytes: UInt64
  /// `ru_maxrss` in bytes. Linux carries the parent's own peak over into it when a child is spawned.
  package var reportedResidentBytes: UInt64

  /// Everything about the end in one line, for messages.
  package var summary: String {
    "exit \(exitCode.map(String.init) ?? "signal \(signal ?? 0)")\n\(errors)"
  }
}

/// A child that is still running.
package struct RunningProcess: Sendable {
  package let id: pid_t

  package func send(_ signal: Int32) {
    kill(id, signal)
  }
}

/// Starts programs with `posix_spawn` and collects their output through files, so that no pipe can fill up.
package struct ProcessRunner: Sendable {
  package var environment: [String: String] = [:]
  /// Where standard output goes; a temporary file when nil.
  package var outputPath: String?
  /// A child that takes longer is killed.
  package var secondsLimit = Sanitizer.isOn ? 1200.0 : 120.0
  /// Samples the child's peak resident size while it runs.
  package var watchesMemory = false

  package init() {}

  /// Runs a program to its end.
  ///
  /// - Parameter whileRunning: called every other millisecond until it returns true.
  package func run(
    _ program: String, _ arguments: [String], whileRunning: (RunningProcess) -> Bool = { _ in true }
  ) -> ProcessResult {
    let scratch = ScratchFolder()
    let outputFile = outputPath ?? scratch["output"]
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, outputFile, O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, scratch["errors"], O_WRONLY | O_CREAT, 0o600)
    var attributes = ProcessRunner.attributes()
    defer { posix_spawnattr_destroy(&attributes) }
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = mergedEnvironment.map { strdup($0) } + [nil]
    defer { for pointer in words + variables { free(pointer) } }
    var id = pid_t()
    let failure = posix_spawn(&id, program, &actions, &attributes, &words, &variables)
    precondition(failure == 0, "cannot start \(program): error \(failure)")
    var result = wait(for: RunningProcess(id: id), whileRunning)
    result.output = outputPath == nil ? Disk.text(outputFile) : ""
    result.errors = Disk.text(scratch["errors"])
    return result
  }

  private func wait(for child: RunningProcess, _ whileRunning: (RunningProcess) -> Bool) -> ProcessResult {
    var result = ProcessResult(output: "", errors: "", peakResidentBytes: 0, reportedResidentBytes: 0)
    let deadline = ProcessRunner.seconds + secondsLimit
    var isDone = false
    while true {
      if watchesMemory, let peak = ProcessRunner.peakResidentBytes(of: child.id) {
        result.peakResidentBytes = max(result.peakResidentBytes, peak)
      }
      var status: Int32 = 0
      var usage = rusage()
      let waited = wait4(child.id, &status, WNOHANG, &usage)
      if waited == child.id {
        result.reportedResidentBytes = UInt64(usage.ru_maxrss) * 1024
        // <sys/wait.h> has these as macros: seven bits of signal, above them the exit code.
        if status & 0x7F == 0 { result.exitCode = status >> 8 & 0xFF } else { result.signal = status & 0x7F }
        return result
      }
      precondition(waited == 0 || errno == EINTR, "wait4 failed, errno \(errno)")
      if !isDone { isDone = whileRunning(child) }
      if ProcessRunner.seconds > deadline { kill(child.id, SIGKILL) }
      usleep(2000)
    }
  }

  /// Signals a runner may have ignored or blocked act as usual in the child.
  private static func attributes() -> posix_spawnattr_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var defaults = sigset_t()
    sigemptyset(&defaults)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ] { sigaddset(&defaults, number) }
    var unblocked = sigset_t()
    sigemptyset(&unblocked)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setsigmask(&attributes, &unblocked)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    return attributes
  }

  private var mergedEnvironment: [String] {
    // Tests ask no network, whatever a path they give looks like.
    var result = environment["HF_HUB_OFFLINE"] == nil ? ["HF_HUB_OFFLINE=1"] : []
    var pointer = environ
    while let entry = pointer.pointee {
      let text = String(cString: entry)
      let name = String(text.prefix { $0 != "=" })
      // A narrow terminal or a colour wish of the developer must not change what a test sees.
      if environment[name] == nil, !["COLUMNS", "NO_COLOR", "CLICOLOR_FORCE", "HF_HUB_OFFLINE"].contains(name) {
        result.append(text)
      }
      pointer += 1
    }
    return result + environment.map { "\($0.key)=\($0.value)" }
  }

  private static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// The peak resident size of a process so far, of its current program alone; nil while that is still this one, in whose
  /// memory a child begins.
  package static func peakResidentBytes(of id: pid_t) -> UInt64? {
    id == getpid() || program(of: "\(id)") != ownProgram ? status("VmHWM", of: id) : nil
  }

  /// The peak of this process without pages of files, its program's own above all: what its work took.
  package static var peakOwnBytes: UInt64? {
    guard let peak = status("VmHWM", of: getpid()), let files = status("RssFile", of: getpid()) else { return nil }
    return peak - min(peak, files)
  }

  private static func status(_ key: String, of id: pid_t) -> UInt64? {
    let descriptor = open("/proc/\(id)/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(descriptor, &buffer, buffer.count)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(key + ":") }) else { return nil }
    return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { UInt64($0) }
      .map { $0 * 1024 }
  }

  private static let ownProgram = program(of: "self")

  private static func program(of process: String) -> String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/\(process)/exe", &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }
}

/// The executables that were built together with the tests.
package enum BuiltProducts {
  /// The folder the running test binary stands in.
  private static let folder: String = {
    var candidates: [String] = []
    for path in ["/proc/self/exe", CommandLine.arguments[0]] {
      if let resolved = realpath(path, nil) {
        candidates.append(FileSystem.parent(of: String(cString: resolved)))
        free(resolved)
      }
    }
    let build = FileSystem.parent(of: Fixtures.root) + "/.build"
    candidates += [build + "/debug", build + "/release"]
    return candidates.first { access($0 + "/tritsmith", X_OK) == 0 } ?? build + "/debug"
  }()

  /// The path of the command line tool.
  package static let tritsmith = folder + "/tritsmith"

  /// The path of the program that points readers at hostile files (`TritLab`).
  package static let lab = folder + "/trit-lab"
}
