// Tritsmith: ranges of files, fetched side by side.

#if !TRITSMITH_NO_NETWORK
  import TritCore

  /// A range on its way into memory.
  struct HubPiece {
    let file: HubFile
    let range: Range<UInt64>
    let memory: UnsafeMutableRawBufferPointer

    var done = 0
    /// Attempts since bytes came last.
    var attempts = 0
    var redirects = 0
    var address: String?
    var retryAfter: Double?
    /// What the Hub said of the file behind a redirect.
    var linkedTag: String?

    init(_ file: HubFile, _ range: Range<UInt64>, _ memory: UnsafeMutableRawBufferPointer) {
      self.file = file
      self.range = range
      self.memory = memory
    }

    /// Where in the file the bytes begin that are still to come.
    var start: UInt64 { range.lowerBound + UInt64(done) }
    var isComplete: Bool { done == range.count }
  }

  extension HubClient {
    /// Fetches ranges; what breaks off goes on where it stopped, after a pause.
    ///
    /// - Parameter isUnwanted: ends it as the user's interruption does.
    func fetch(_ pieces: inout [HubPiece], unless isUnwanted: CancellationFlag? = nil) throws(TensorIOError) {
      let isStopped =
        isUnwanted.map { unwanted in
          CancellationFlag { [cancellation] in unwanted.isCancelled || cancellation.isCancelled }
        } ?? cancellation
      while true {
        let open = pieces.indices.filter { !pieces[$0].isComplete }
        guard !open.isEmpty else {
          for piece in pieces {
            try piece.file.keepCopy(of: UnsafeRawBufferPointer(piece.memory), at: piece.range.lowerBound)
          }
          return
        }
        let batch = Array(open.prefix(4 * HubClient.width))
        let retries = batch.compactMap { pieces[$0].attempts > 0 ? pieces[$0].attempts : nil }.max()
        if let retries { pause(before: retries, batch.compactMap { pieces[$0].retryAfter }.max(), isStopped) }
        let requests = batch.map { request(&pieces[$0]) }
        let answers = HubRequest.run(requests, isStopped)
        for (index, answer) in zip(batch, answers) { try take(answer, &pieces[index]) }
      }
    }

    private func request(_ piece: inout HubPiece) -> HubRequest {
      let address = piece.address ?? piece.file.place ?? piece.file.address
      piece.address = address
      return HubRequest(
        address, lines: lines(for: address),
        range: piece.start..<piece.range.upperBound,
        body: UnsafeMutableRawBufferPointer(rebasing: piece.memory[piece.done...]))
    }

    private func take(_ answer: HubAnswer, _ piece: inout HubPiece) throws(TensorIOError) {
      if answer.failure == nil, answer.isRedirect { return try follow(answer, &piece) }
      piece.retryAfter = answer.retryAfter
      if answer.status == 206 || answer.status == 200 { return try keep(answer, &piece) }
      let file = piece.file
      if answer.failure == nil, file.place == piece.address ?? file.address,
        [400, 401, 403, 404, 410].contains(answer.status)
      {
        // An address of the storage host is good for some minutes.
        file.place = nil
        piece.address = nil
        piece.redirects = 0
        piece.attempts += 1
        if piece.attempts < HubClient.attemptLimit { return }
      }
      if answer.failure == nil, answer.status == 416 {
        throw HubFault.changed(
          "it has no bytes \(piece.start) to \(piece.range.upperBound - 1) any more", path: file.path)
      }
      try again(answer, &piece)
    }

    /// Goes where a redirect leads.
    private func follow(_ answer: HubAnswer, _ piece: inout HubPiece) throws(TensorIOError) {
      let address = piece.address ?? piece.file.address
      piece.redirects += 1
      guard piece.redirects <= HubClient.redirectLimit, let next = target(of: answer, from: address) else {
        throw HubFault.redirect(answer, from: address, to: piece.file.path)
      }
      try piece.file.check(linkedTag: answer.linkedTag, linkedSize: answer.headers["x-linked-size"])
      piece.linkedTag = answer.linkedTag
      piece.address = next
    }

    /// Counts the bytes that came, which stand in their place already; asks for the rest anew.
    private func keep(_ answer: HubAnswer, _ piece: inout HubPiece) throws(TensorIOError) {
      let file = piece.file
      let address = piece.address ?? file.address
      try check(answer, piece, from: address)
      try file.check(answer, isStorage: Origin(address) != Origin(endpoint), from: address)
      guard !answer.bodyOverflows else {
        throw HubFault.broken("more bytes came than were asked for", path: file.path)
      }
      if answer.bodyCount > 0 { piece.attempts = 0 }
      piece.done += answer.bodyCount
      guard piece.isComplete else { return try again(answer, &piece) }
      file.place = address == file.address ? nil : address
    }

    /// Throws for bytes that are not those that were asked for.
    private func check(_ answer: HubAnswer, _ piece: HubPiece, from address: String) throws(TensorIOError) {
      let file = piece.file
      guard answer.status == 206 else {
        guard piece.start == 0, piece.range.upperBound == file.byteCount else {
          throw HubFault.broken(
            "\(Origin(address)?.text ?? "the server") gives whole files only, where a part was asked for",
            path: file.path)
        }
        return
      }
      guard let range = answer.range, range.first == piece.start, range.last < piece.range.upperBound else {
        let found = answer.headers["content-range"] ?? "nothing"
        throw HubFault.broken(
          "bytes \(piece.start) to \(piece.range.upperBound - 1) were asked for, the answer is of "
            + "'\(printable(found, limit: 60))'", path: file.path)
      }
      guard range.total == file.byteCount else {
        throw HubFault.changed("\(file.byteCount) bytes at the start, \(range.total) now", path: file.path)
      }
    }

    private func again(_ answer: HubAnswer, _ piece: inout HubPiece) throws(TensorIOError) {
      piece.attempts += 1
      let address = piece.address ?? piece.file.address
      let isShort = answer.failure == nil && (answer.status == 200 || answer.status == 206)
      guard !answer.bodyOverflows, isShort || HubFault.isPassing(answer), piece.attempts < HubClient.attemptLimit else {
        if isShort {
          throw HubFault.broken(
            "the answer ends after \(piece.done) of \(piece.range.count) bytes, \(piece.attempts) times",
            path: piece.file.path)
        }
        throw HubFault.error(
          answer, address: address, piece.file.name, file: piece.file.path, hasToken: hasToken, attempts: piece.attempts
        )
      }
    }
  }
#endif
