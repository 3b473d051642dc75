// Tritsmith: the calls that differ between platforms.

import LibC

/// System calls that have another shape on each platform.
package enum Platform {
  /// The text of an `errno` value.
  package static func message(forErrno code: Int32) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
  }

  /// Processors this process may use.
  package static var processorCount: Int { max(1, Int(clamping: sysconf(Int32(clamping: _SC_NPROCESSORS_ONLN)))) }

  /// Bytes of a page of memory.
  package static var pageSize: Int { max(4096, Int(clamping: sysconf(Int32(clamping: _SC_PAGESIZE)))) }

  /// Descriptors this process may have open.
  static var descriptorLimit: Int {
    var limit = rlimit()
    guard getrlimit(descriptorResource, &limit) == 0 else { return 256 }
    return Int(clamping: limit.rlim_cur)
  }

  #if canImport(Glibc)
    private static let descriptorResource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  #else
    private static let descriptorResource = RLIMIT_NOFILE
  #endif

  /// Settings of a process that carries out one command on files; for the start of a program.
  ///
  /// The soft limit of descriptors becomes the hard one, which costs nothing. A limit on the size of files is an error of
  /// writing, not the end of the process.
  package static func prepareForFiles() {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit()
    guard getrlimit(descriptorResource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(descriptorResource, &limit)
  }

  /// Descriptors this process can still open; those it was started with may be many. Limits above 1024 are taken at
  /// their word.
  static var freeDescriptors: Int {
    let limit = descriptorLimit
    guard limit <= 1024 else { return limit }
    return opened(atMost: limit)
  }

  /// True when the process can open so many descriptors more.
  package static func canOpen(descriptors count: Int) -> Bool { opened(atMost: count) == count }

  /// Opens so many descriptors and closes them again.
  private static func opened(atMost count: Int) -> Int {
    var opened: [Int32] = []
    defer { for descriptor in opened { close(descriptor) } }
    while opened.count < count {
      let descriptor = dup(0)
      guard descriptor >= 0 else { break }
      opened.append(descriptor)
    }
    return opened.count
  }

  /// Exchanges two existing paths in one step, false where the system or the file system cannot.
  ///
  /// `renameat2` is hidden from Swift by a feature macro, so it is looked up by name.
  static func exchange(_ first: String, _ second: String) -> Bool {
    #if canImport(Darwin)
      return renamex_np(first, second, UInt32(RENAME_SWAP)) == 0
    #else
      typealias RenameAt2 = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
      guard let symbol = dlsym(nil, "renameat2") else { return false }
      let renameat2 = unsafeBitCast(symbol, to: RenameAt2.self)
      let exchangeFlag: UInt32 = 2
      return renameat2(AT_FDCWD, first, AT_FDCWD, second, exchangeFlag) == 0
    #endif
  }

  /// Gives a file or folder a name that nothing has, in one step.
  ///
  /// - Returns: 0, or `errno`: `EEXIST` when something has the name.
  static func renameWithoutReplacing(_ path: String, to target: String) -> Int32 {
    #if canImport(Darwin)
      if renamex_np(path, target, UInt32(RENAME_EXCL)) == 0 { return 0 }
      if errno != ENOTSUP, errno != EINVAL { return errno }
    #else
      typealias RenameAt2 = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
      if let symbol = dlsym(nil, "renameat2") {
        let noReplaceFlag: UInt32 = 1
        let renameat2 = unsafeBitCast(symbol, to: RenameAt2.self)
        if renameat2(AT_FDCWD, path, AT_FDCWD, target, noReplaceFlag) == 0 { return 0 }
        if errno != EINVAL, errno != ENOSYS { return errno }
      }
    #endif
    // A link fails where something has the name; folders cannot be linked, and do not replace one that holds anything.
    if link(path, target) == 0 {
      unlink(path)
      return 0
    }
    guard errno == EPERM || errno == ENOTSUP else { return errno }
    return rename(path, target) == 0 ? 0 : errno
  }

  /// Asks the system to begin writing a file's changed pages to the disk, where it can be asked.
  static func startWriteback(_ descriptor: Int32) {
    #if !canImport(Darwin)
      typealias SyncFileRange = @convention(c) (Int32, Int64, Int64, UInt32) -> Int32
      guard let symbol = dlsym(nil, "sync_file_range") else { return }
      let beginWriting: UInt32 = 2
      _ = unsafeBitCast(symbol, to: SyncFileRange.self)(descriptor, 0, 0, beginWriting)
    #endif
  }

  /// Makes blocks of 4 MiB and more go back to the system as soon as they are freed; for the start of a program.
  ///
  /// Otherwise the GNU C library keeps such a block for the next one after the first has been freed: headers and lists
  /// of many tensors then count as resident long after they are gone, 10 MB of 70 in a patch of 36,000 tensors.
  package static func returnFreedMemory() {
    #if canImport(Glibc)
      // malloc.h is not among the headers Swift sees.
      typealias Mallopt = @convention(c) (Int32, Int32) -> Int32
      guard let symbol = dlsym(nil, "mallopt") else { return }
      let mallopt = unsafeBitCast(symbol, to: Mallopt.self)
      let (mmapThreshold, trimThreshold): (Int32, Int32) = (-3, -1)
      // Shrinking the heap itself is left to `trimMemory`: done at each megabyte it took 0.4 s of 1.3 s in verify.
      _ = (mallopt(mmapThreshold, 4 << 20), mallopt(trimThreshold, 64 << 20))
    #endif
  }

  /// Gives free pages back to the system now, between two parts of work that each need much.
  package static func trimMemory() {
    #if canImport(Glibc)
      typealias MallocTrim = @convention(c) (Int) -> Int32
      guard let symbol = dlsym(nil, "malloc_trim") else { return }
      _ = unsafeBitCast(symbol, to: MallocTrim.self)(0)
    #endif
  }

  /// Bytes of the unit in which `rusage` gives resident sizes.
  package static var residentUnit: UInt64 {
    #if canImport(Darwin)
      return 1
    #else
      return 1024
    #endif
  }

  /// Brings everything written to a file to the medium: 0, or `errno`.
  ///
  /// On Apple's systems `fsync` stops at the drive's own memory; file systems that know no more fall back to it.
  static func sync(_ descriptor: Int32) -> Int32 {
    #if canImport(Darwin)
      if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
    #endif
    return fsync(descriptor) == 0 ? 0 : errno
  }

  /// The largest resident size this process has had, in bytes.
  package static var peakResidentBytes: UInt64 {
    var usage = rusage()
    #if canImport(Glibc)
      guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    #else
      guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
    #endif
    return UInt64(usage.ru_maxrss) * residentUnit
  }

  /// Seconds from an arbitrary start, never going back.
  package static var monotonicSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// All of standard input.
  package static func standardInput(limit: UInt64) throws(TensorIOError) -> [UInt8] {
    // A file that is led to it may not become an output.
    if let identity = FileIdentity(ofFile: 0) { ReadFiles.note(identity, path: "standard input") }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw TensorIOError(.readFailed(errno: errno), path: "-") }
      if count == 0 { return result }
      result += buffer.prefix(count)
      guard UInt64(result.count) <= limit else {
        throw TensorIOError(.tooLarge(byteCount: UInt64(result.count), limit: limit), path: "-")
      }
    }
  }
}
