// Tritsmith: tests of Ctrl-C, each in a process of its own.

import Testing

@testable import CommandLineKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct InterruptTests {
  @Test func theFirstSignalSetsTheFlagAndCallsBack() async {
    await #expect(processExitsWith: .exitCode(33)) {
      InterruptMonitor.install { exit(InterruptMonitor.isInterrupted ? 33 : 1) }
      #expect(!InterruptMonitor.isInterrupted)
      kill(getpid(), SIGTERM)
      sleep(20)
      exit(2)
    }
  }

  @Test func theSecondSignalEndsTheProcess() async {
    await #expect(processExitsWith: .exitCode(130)) {
      InterruptMonitor.install()
      kill(getpid(), SIGINT)
      while !InterruptMonitor.isInterrupted { usleep(1000) }
      kill(getpid(), SIGINT)
      sleep(20)
      exit(2)
    }
  }

  @Test func checkEndsWithTheCodeOfAnInterruption() async {
    await #expect(processExitsWith: .exitCode(130)) {
      InterruptMonitor.install()
      kill(getpid(), SIGHUP)
      while !InterruptMonitor.isInterrupted { usleep(1000) }
      do {
        try InterruptMonitor.check()
      } catch {
        exit((error as? ExitRequest)?.exitCode.rawValue ?? 1)
      }
    }
  }

  @Test func anIgnoredSignalStaysIgnored() async {
    await #expect(processExitsWith: .exitCode(0)) {
      signal(SIGHUP, SIG_IGN)
      InterruptMonitor.install()
      kill(getpid(), SIGHUP)
      usleep(50_000)
      exit(InterruptMonitor.isInterrupted ? 1 : 0)
    }
  }
}
