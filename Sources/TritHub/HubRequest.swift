// Tritsmith: one request to the Hub or to a storage host, and its answer.

#if !TRITSMITH_NO_NETWORK
  import CCurl
  import TritCore

  /// Scheme, host and port: whom an address asks.
  struct Origin: Equatable {
    let text: String

    /// Nil for anything but an address of HTTP.
    init?(_ address: String) {
      let bytes = Array(address.utf8)
      let scheme = bytes.prefix { $0 != UInt8(ascii: ":") }.map { $0 | 0x20 }
      guard scheme == Array("https".utf8) || scheme == Array("http".utf8) else { return nil }
      let rest = bytes.dropFirst(scheme.count)
      guard rest.starts(with: Array("://".utf8)) else { return nil }
      let host = rest.dropFirst(3).prefix { ![UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0) }
      // A name before @ is a password to one reader and a host to another.
      guard !host.isEmpty, host.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") && $0 != 0x5C }) else {
        return nil
      }
      let port = scheme.count == 5 ? ":443" : ":80"
      let lower = String(decoding: host.map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
      // The colons of an address in brackets are none of a port.
      let hasPort = lower.utf8.reversed().prefix { $0 != UInt8(ascii: "]") }.contains(UInt8(ascii: ":"))
      text = String(decoding: scheme, as: UTF8.self) + "://" + lower + (hasPort ? "" : port)
    }

    var isSecure: Bool { text.hasPrefix("https:") }

    /// True for this machine, which nobody listens in on.
    var isLoopback: Bool {
      ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"].contains { text.hasPrefix($0) }
    }
  }

  /// What came back.
  struct HubAnswer {
    var status: Int
    /// In lower case; of equal names the last.
    var headers: [String: String]
    var bodyCount: Int
    var bodyOverflows: Bool
    /// Why the transfer ended early; nil when it was complete.
    var failure: (code: Int, message: String)?

    var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }

    /// Without quotes and without the mark of a weak one.
    var entityTag: String? { headers["etag"].map(HubAnswer.bare) }
    var linkedTag: String? { headers["x-linked-etag"].map(HubAnswer.bare) }

    private static func bare(_ tag: String) -> String {
      var text = tag[...]
      if text.hasPrefix("W/") { text = text.dropFirst(2) }
      return text.filter { $0 != "\"" }
    }

    /// First, last and total of `Content-Range`; nil when it is missing or odd.
    var range: (first: UInt64, last: UInt64, total: UInt64)? {
      guard let text = headers["content-range"], text.hasPrefix("bytes ") else { return nil }
      let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, let total = UInt64(parts[1]) else { return nil }
      let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
      guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]) else { return nil }
      return (first, last, total)
    }

    /// Seconds a server asks to be left alone, at most a minute.
    var retryAfter: Double? {
      headers["retry-after"].flatMap { Double($0) }.map { min(60, max(0, $0)) }
    }
  }

  /// A request with the memory its answer goes to.
  final class HubRequest {
    let address: String
    private let lines: [String]
    private let range: Range<UInt64>?
    private let body: UnsafeMutableRawBufferPointer
    private static let headBytes = 1 << 16

    /// - Parameters:
    ///   - range: of bytes; nil for everything.
    ///   - body: memory that outlives the request.
    init(_ address: String, lines: [String], range: Range<UInt64>?, body: UnsafeMutableRawBufferPointer) {
      self.address = address
      self.lines = lines
      self.range = range
      self.body = body
    }

    /// Carries out requests side by side.
    static func run(_ requests: [HubRequest], _ cancellation: CancellationFlag) -> [HubAnswer] {
      var transfers: [UnsafeMutablePointer<ccurl_transfer>?] = requests.map { $0.makeTransfer() }
      defer { for transfer in transfers { transfer.map(free) } }
      let context = Unmanaged.passUnretained(cancellation).toOpaque()
      withExtendedLifetime(cancellation) {
        ccurl_run(
          &transfers, transfers.count,
          { context in
            guard let context else { return 0 }
            return Unmanaged<CancellationFlag>.fromOpaque(context).takeUnretainedValue().isCancelled ? 1 : 0
          }, context)
      }
      return transfers.compactMap { $0.map { answer($0.pointee) } }
    }

    private func makeTransfer() -> UnsafeMutablePointer<ccurl_transfer> {
      let transfer = UnsafeMutablePointer<ccurl_transfer>.allocate(capacity: 1)
      transfer.initialize(to: ccurl_transfer())
      transfer.pointee.url = HubRequest.copy(address)
      let texts = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(1, lines.count))
      for (index, line) in lines.enumerated() { (texts + index).initialize(to: HubRequest.copy(line)) }
      transfer.pointee.headers = UnsafePointer(texts)
      transfer.pointee.header_count = lines.count
      if let range { transfer.pointee.range = HubRequest.copy("\(range.lowerBound)-\(range.upperBound - 1)") }
      transfer.pointee.body = body.baseAddress?.assumingMemoryBound(to: UInt8.self)
      transfer.pointee.body_capacity = body.count
      transfer.pointee.head = .allocate(capacity: HubRequest.headBytes)
      transfer.pointee.head_capacity = HubRequest.headBytes
      return transfer
    }

    private static func copy(_ text: String) -> UnsafePointer<CChar> {
      let bytes = text.utf8CString
      let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      for (index, byte) in bytes.enumerated() { (memory + index).initialize(to: byte) }
      return UnsafePointer(memory)
    }

    private static func free(_ transfer: UnsafeMutablePointer<ccurl_transfer>) {
      for index in 0..<transfer.pointee.header_count { transfer.pointee.headers[index]?.deallocate() }
      transfer.pointee.headers.deallocate()
      transfer.pointee.url.deallocate()
      transfer.pointee.range?.deallocate()
      transfer.pointee.head.deallocate()
      transfer.deallocate()
    }

    private static func answer(_ transfer: ccurl_transfer) -> HubAnswer {
      let head = UnsafeRawBufferPointer(start: transfer.head, count: transfer.head_count)
      var message = transfer.message
      let text = withUnsafeBytes(of: &message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      return HubAnswer(
        status: transfer.status, headers: headers(Array(head)), bodyCount: transfer.body_count,
        bodyOverflows: transfer.body_overflows != 0,
        failure: transfer.code == 0 ? nil : (Int(clamping: transfer.code), text))
    }

    static func headers(_ head: [UInt8]) -> [String: String] {
      var result: [String: String] = [:]
      for line in head.split(separator: UInt8(ascii: "\n")) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
        let name = line[..<colon].map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }
        var value = line[(colon + 1)...]
        while let last = value.last, last <= 0x20 { value.removeLast() }
        value = value.drop { $0 <= 0x20 }
        result[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
      }
      return result
    }
  }
#endif
