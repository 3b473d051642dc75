// Tritsmith: asking the Hub.

#if !TRITSMITH_NO_NETWORK
  import CCurl
  import LibC
  import Synchronization
  import TritCore

  /// Requests with redirects, retries and the rule who gets the token.
  final class HubClient: Sendable {
    let endpoint: String
    private let origin: Origin
    private let token: String?
    let cancellation: CancellationFlag

    /// Times a request is begun again without having come further.
    static let attemptLimit = 5
    static let redirectLimit = 5
    /// Requests under way at once.
    static let width = 16

    /// - Throws: `HubError` when the library is missing or the endpoint is no address.
    init(_ environment: HubEnvironment, _ cancellation: CancellationFlag) throws(HubError) {
      endpoint = environment.endpoint
      guard let origin = Origin(environment.endpoint) else { throw HubError(.badEndpoint(environment.endpoint)) }
      self.origin = origin
      // In the clear a token is anybody's.
      token = origin.isSecure || origin.isLoopback ? environment.token : nil
      self.cancellation = cancellation
      guard ccurl_load() == 0 else { throw HubError(.noLibrary(String(cString: ccurl_load_error()))) }
    }

    /// What an address is asked with: the token goes to the Hub itself and to nobody else.
    func lines(for address: String) -> [String] {
      guard let token, Origin(address) == origin else { return [] }
      return ["Authorization: Bearer " + token]
    }

    /// Where an answer leads; nil when it may not lead there.
    func target(of answer: HubAnswer, from address: String) -> String? {
      HubClient.target(of: answer, from: address, of: origin)
    }

    /// The same for a Hub at some place: never in the clear where the Hub is asked safely.
    static func target(of answer: HubAnswer, from address: String, of hub: Origin) -> String? {
      guard let location = answer.headers["location"], !location.isEmpty else { return nil }
      var target = location
      if location.hasPrefix("//") {
        target = (address.hasPrefix("https:") ? "https:" : "http:") + location
      } else if location.hasPrefix("/") {
        guard let end = address.utf8.dropFirst(8).firstIndex(of: UInt8(ascii: "/")) else { return nil }
        target = address[..<end] + location
      }
      guard let place = Origin(target), place.isSecure || !hub.isSecure else { return nil }
      return target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? target : nil
    }

    /// The whole body of an address of the Hub, redirects followed.
    ///
    /// - Parameter limit: what the body may have.
    func body(of path: String, limit: Int, given: String, about name: HubName) throws -> [UInt8] {
      // Pages nobody writes to take no memory.
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 64)
      defer { buffer.deallocate() }
      var address = endpoint + path
      var redirects = 0
      var attempt = 0
      while true {
        let request = HubRequest(
          address, lines: lines(for: address) + ["Accept: application/json"], range: nil, body: buffer)
        guard let answer = HubRequest.run([request], cancellation).first else { continue }
        try cancellation.check()
        if answer.failure == nil, answer.status == 200 { return Array(buffer.prefix(answer.bodyCount)) }
        if answer.isRedirect, answer.failure == nil {
          redirects += 1
          guard redirects <= HubClient.redirectLimit, let next = target(of: answer, from: address) else {
            throw HubFault.redirect(answer, from: address, to: given)
          }
          address = next
          continue
        }
        if answer.bodyOverflows { throw HubError(.badAnswer("it has more than \(limit) bytes"), file: given) }
        attempt += 1
        guard HubFault.isPassing(answer), attempt < HubClient.attemptLimit else {
          throw HubFault.error(answer, address: address, name, file: given, hasToken: token != nil, attempts: attempt)
        }
        pause(before: attempt, answer.retryAfter, cancellation)
      }
    }

    /// Waits longer each time: a quarter of a second, a half, one, two; or as long as the server says.
    func pause(before attempt: Int, _ wanted: Double?, _ cancellation: CancellationFlag) {
      let own = 0.25 * Double(1 << min(6, attempt - 1))
      var left = max(own, wanted ?? 0)
      while left > 0, !cancellation.isCancelled {
        usleep(50_000)
        left -= 0.05
      }
    }

    var hasToken: Bool { token != nil }
  }

  /// Errors of transfers, in words.
  enum HubFault {
    /// True for what may be over by the next time.
    static func isPassing(_ answer: HubAnswer) -> Bool {
      if let failure = answer.failure {
        // Neither a name that does not exist, a certificate that is wrong, nor an answer that is too large passes.
        return !answer.bodyOverflows && !lasting.contains(failure.code)
      }
      return [408, 425, 429, 500, 502, 503, 504].contains(answer.status)
    }

    /// libcurl: unsupported scheme, no start, bad address, no proxy, no host, TLS that fails, and cancelled.
    private static let lasting = [1, 2, 3, 5, 6, 35, 42, 51, 53, 54, 58, 59, 60, 66, 77, 80, 82, 83, 90, 91]
    private static let certificate = [35, 51, 58, 59, 60, 66, 77, 82, 83, 90, 91]

    static func error(
      _ answer: HubAnswer, address: String, _ name: HubName, file: String, hasToken: Bool, attempts: Int
    ) -> TensorIOError {
      let host = Origin(address)?.text ?? "the server"
      func fault(_ summary: String, _ remedy: String, _ category: ErrorCategory) -> TensorIOError {
        TensorIOError(.transfer(TransferFault(summary, remedy: remedy, category: category)), path: file)
      }
      if let failure = answer.failure {
        let detail = printable(failure.message)
        switch failure.code {
        case 42: return fault("interrupted; nothing was left behind", "run again", .interrupted)
        case 5, 6, 7:
          return fault(
            "no file or folder has this name, and \(host) cannot be reached: \(detail)",
            HubName.advice(on: file) + "check the name and the network; without one, fetch it first: "
              + name.quotedDownload, .cannotOpen)
        case let code where certificate.contains(code):
          return fault(
            "\(host) could not prove who it is: \(detail)", "check the network's proxy and this machine's certificates",
            .cannotOpen)
        default:
          return fault(
            "the transfer from \(host) broke \(attempts) times: \(detail)", "check the network, then run again",
            .inputOutput)
        }
      }
      let code = answer.headers["x-error-code"] ?? ""
      let said = answer.headers["x-error-message"].map { ": \(printable($0, limit: 120))" } ?? ""
      switch answer.status {
      case 401 where code == "GatedRepo", 403:
        return fault(
          "access to \(name.repository) is not granted (status \(answer.status))" + said,
          hasToken
            ? "accept its conditions on the Hub with the account of this token, or use another one"
            : "accept its conditions on the Hub, then set HF_TOKEN or run 'hf auth login'", .cannotOpen)
      case 401, 404:
        return notFound(answer.status, code, said, name, file, hasToken: hasToken)
      case 429:
        return fault(
          "\(host) refuses more requests for now (status 429), \(attempts) times" + said,
          "wait, or set HF_TOKEN, which allows more", .inputOutput)
      default:
        return fault(
          "\(host) answered with status \(answer.status), \(attempts) times" + said, "run again later", .inputOutput)
      }
    }

    private static func notFound(
      _ status: Int, _ code: String, _ said: String, _ name: HubName, _ file: String, hasToken: Bool
    ) -> TensorIOError {
      let what =
        switch code {
        case "RevisionNotFound": "the Hub has \(name.repository), and no revision '\(name.wantedRevision)' of it"
        case "EntryNotFound": "the Hub's \(name.repository) has no such file"
        // The Hub answers 401 to strangers for what does not exist as well.
        default: "no file or folder has this name, and the Hub has no model \(name.repository) that may be seen"
        }
      let remedy =
        code == "RevisionNotFound"
        ? "name another revision: \(name.repository)@main"
        : HubName.advice(on: file) + "check the name"
          + (hasToken ? "" : "; a private model needs HF_TOKEN, or 'hf auth login'")
      return TensorIOError(
        .transfer(TransferFault("\(what) (status \(status))" + said, remedy: remedy, category: .cannotOpen)), path: file
      )
    }

    static func redirect(_ answer: HubAnswer, from address: String, to file: String) -> TensorIOError {
      let location = answer.headers["location"] ?? "nowhere"
      // What follows the host of an address may be a signature.
      let target = Origin(location)?.text ?? printable(location, limit: 60)
      return broken(
        "\(Origin(address)?.text ?? "the server") leads to \(target), which is not followed (the last of at most "
          + "\(HubClient.redirectLimit), or no safe address)", path: file)
    }

    static func broken(_ summary: String, path: String) -> TensorIOError {
      TensorIOError(
        .transfer(
          TransferFault(
            summary, remedy: "run again; if it stays, fetch the model with 'hf download'", category: .inputOutput)),
        path: path)
    }

    static func changed(_ detail: String, path: String) -> TensorIOError {
      TensorIOError(
        .transfer(
          TransferFault(
            "the Hub's files changed, or contradict its own words: \(detail)",
            remedy: "run again; if it stays, tell the owners of the model", category: .inputOutput)), path: path)
    }
  }
#endif
