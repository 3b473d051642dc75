// Tritsmith: the system calls of this module; no other file in it imports the C library.

import LibC

/// System calls under portable signatures.
enum Platform {
  static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// The position of the first word of the command line that is not UTF-8, the program's name being 0; nil when all are.
  static func firstWordThatIsNoText() -> Int? {
    (0..<Int(CommandLine.argc)).first { position in
      CommandLine.unsafeArgv[position].map { String(validatingCString: $0) == nil } ?? false
    }
  }

  static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1
  }

  /// The columns of the terminal behind a descriptor; nil when there is none or it does not say.
  static func columns(of descriptor: Int32) -> Int? {
    size(of: descriptor).flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil }
  }

  /// Its lines.
  static func rows(of descriptor: Int32) -> Int? {
    size(of: descriptor).flatMap { $0.ws_row > 0 ? Int($0.ws_row) : nil }
  }

  private static func size(of descriptor: Int32) -> winsize? {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 ? size : nil
  }

  /// Nanoseconds of a clock that only moves forward.
  static func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func exit(_ code: Int32) -> Never {
    LibC.exit(code)
  }

  // MARK: - Streams

  /// Writes every byte; returns the error number of the first failure, or 0.
  static func writeAll(_ bytes: RawSpan, to descriptor: Int32) -> Int32 {
    bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset < buffer.count {
        let count = write(descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
        if count > 0 {
          offset += count
        } else if count < 0 && errno == EINTR {
          continue
        } else if count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) {
          // Someone else made the pipe non-blocking; wait until it takes more.
          var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&request, 1, 1000)
        } else {
          return count < 0 ? errno : EIO
        }
      }
      return 0
    }
  }

  /// Waits until there is something to read, or the end; false when a signal came first.
  static func waitForInput(from descriptor: Int32) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, -1) >= 0 || errno != EINTR
  }

  /// What can be read at once; nothing at the end.
  static func readSome(from descriptor: Int32) -> (bytes: [UInt8], error: Int32) {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      return (Array(buffer.prefix(max(0, count))), count < 0 ? errno : 0)
    }
  }

  static let brokenPipe: Int32 = EPIPE

  static func message(ofError number: Int32) -> String {
    String(cString: strerror(number))
  }

  /// Makes writing to a closed pipe an error instead of a signal.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
  }

  /// Opens `/dev/null` on each standard descriptor the caller left closed.
  ///
  /// Otherwise the first model file to be opened would become standard output and collect the report. Output is opened
  /// for reading only, so writing to it still fails as it should.
  static func occupyStandardDescriptors() {
    for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
      // The lowest free number is this one: those below are open already.
      _ = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY)
    }
  }

  // MARK: - Signals

  typealias SignalHandler = @convention(c) (Int32) -> Void

  static let interruptSignals = [SIGINT, SIGTERM, SIGHUP]
  static let busError = SIGBUS

  /// Installs a handler unless the caller of the process chose to ignore the signal, as `nohup` does.
  static func install(_ handler: SignalHandler, for number: Int32) {
    var current = sigaction()
    guard sigaction(number, nil, &current) == 0 else { return }
    var action = sigaction()
    #if canImport(Darwin)
      let isIgnored = current.__sigaction_u.__sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
      action.__sigaction_u.__sa_handler = handler
    #elseif canImport(Musl)
      let isIgnored = current.__sa_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
      action.__sa_handler.sa_handler = handler
    #else
      let isIgnored = current.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
      action.__sigaction_handler.sa_handler = handler
    #endif
    if isIgnored { return }
    action.sa_flags = Int32(SA_RESTART)
    sigemptyset(&action.sa_mask)
    _ = sigaction(number, &action, nil)
  }

  /// Ends the process at once; safe inside a signal handler.
  static func exitImmediately(_ code: Int32) -> Never {
    _exit(code)
  }

  /// Writes a text without any memory of its own; safe inside a signal handler.
  static func writeImmediately(_ text: StaticString, to descriptor: Int32) {
    _ = write(descriptor, text.utf8Start, text.utf8CodeUnitCount)
  }

  /// Writes one byte and leaves `errno` as it was; safe inside a signal handler.
  static func wake(_ descriptor: Int32) {
    let saved = errno
    var byte: UInt8 = 1
    _ = write(descriptor, &byte, 1)
    errno = saved
  }

  /// A pipe's two ends, closed in child programs; nil when the process has no descriptors left.
  static func makePipe() -> (read: Int32, write: Int32)? {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// Blocks until a byte arrives.
  static func waitForByte(from descriptor: Int32) {
    var byte: UInt8 = 0
    while read(descriptor, &byte, 1) < 0 && errno == EINTR {}
  }

  /// Starts a thread that nobody waits for.
  static func detachThread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    #if canImport(Darwin)
      var thread: pthread_t?
      let status = pthread_create(&thread, nil, { runThreadBody($0) }, box.toOpaque())
    #else
      var thread = pthread_t()
      let status = pthread_create(&thread, nil, { runThreadBody($0) }, box.toOpaque())
    #endif
    if status != 0 { box.release() }
  }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func runThreadBody(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let pointer else { return nil }
  pthread_detach(pthread_self())
  Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run()
  return nil
}
