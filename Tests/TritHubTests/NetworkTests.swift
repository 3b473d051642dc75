// Tritsmith: what is taken from the Hub's answers, without a network.

#if !TRITSMITH_NO_NETWORK
  import Testing
  import TritCore
  import TritTestSupport

  @testable import TritHub

  @Suite struct OriginTests {
    /// RFC 6454: scheme, host and port, defaults filled in, letters alike.
    @Test func originsAreSchemeHostAndPort() throws {
      #expect(Origin("https://Hub.co/a")?.text == "https://hub.co:443")
      #expect(Origin("https://hub.co:443?x")?.text == Origin("HTTPS://hub.co")?.text)
      #expect(Origin("http://hub.co")?.text == "http://hub.co:80")
      #expect(Origin("http://[::1]/x")?.text == "http://[::1]:80")
      #expect(Origin("http://[::1]:8080/x")?.text == "http://[::1]:8080")
      for text in ["", "hub.co", "file:///etc", "ftp://hub.co", "https://", "https:///x", "https://hub.co@evil.org/"] {
        #expect(Origin(text) == nil, "\(text)")
      }
    }

    @Test func theTokenGoesToTheHubAlone() throws {
      let client = try HubClient(
        HubEnvironment(["HF_TOKEN": " hf_secret\n", "HF_ENDPOINT": "https://hub.example/"]), CancellationFlag())
      #expect(client.lines(for: "https://hub.example/a/b") == ["Authorization: Bearer hf_secret"])
      for other in [
        "https://storage.example/x", "https://hub.example:444/a", "http://hub.example/a",
        "https://hub.example.evil.org/",
        "https://hub.example@evil.org/", "https://evil.org/https://hub.example/",
      ] { #expect(client.lines(for: other).isEmpty, "\(other)") }
      // In the clear a token goes nowhere, but to this machine.
      let clear = try HubClient(HubEnvironment(["HF_TOKEN": "x", "HF_ENDPOINT": "http://mirror"]), CancellationFlag())
      #expect(clear.lines(for: "http://mirror/a").isEmpty)
      // A token with a line end in it would be two headers.
      let split = try HubClient(
        HubEnvironment(["HF_TOKEN": "a\r\nX: b", "HF_ENDPOINT": "https://hub.example"]), CancellationFlag())
      #expect(split.lines(for: "https://hub.example/").isEmpty)
    }

    @Test func redirectsStaySafe() throws {
      let client = try HubClient(HubEnvironment(["HF_ENDPOINT": "https://hub.example"]), CancellationFlag())
      func target(_ location: String) -> String? {
        let answer = HubAnswer(
          status: 302, headers: ["location": location], bodyCount: 0, bodyOverflows: false, failure: nil)
        return client.target(of: answer, from: "https://hub.example/a/b/resolve/main/c")
      }
      #expect(target("https://storage.example/x?y=z") == "https://storage.example/x?y=z")
      #expect(target("/api/resolve-cache/x") == "https://hub.example/api/resolve-cache/x")
      #expect(target("//storage.example/x") == "https://storage.example/x")
      for text in ["http://storage.example/x", "file:///etc/passwd", "ftp://x/", "x", "https://a b/", ""] {
        #expect(target(text) == nil, "\(text)")
      }
    }
  }

  @Suite struct AnswerTests {
    @Test func headersAreRead() {
      let head =
        "HTTP/1.1 206 Partial Content\r\nETag: W/\"abc\"\r\nContent-Range:bytes 10-19/100 \r\nX-Linked-Etag: \"def\"\r\n\r\n"
      let answer = HubAnswer(
        status: 206, headers: HubRequest.headers(Array(head.utf8)), bodyCount: 10, bodyOverflows: false, failure: nil)
      #expect(answer.entityTag == "abc" && answer.linkedTag == "def")
      #expect(answer.range?.first == 10 && answer.range?.last == 19 && answer.range?.total == 100)
      for text in ["", "bytes */100", "bytes 1-2", "bytes a-b/c", "items 1-2/3", "bytes 1-2/*", "bytes -1-2/3"] {
        let odd = HubAnswer(
          status: 206, headers: ["content-range": text], bodyCount: 0, bodyOverflows: false, failure: nil)
        #expect(odd.range == nil, "\(text)")
      }
    }

    @Test func listsAreProved() throws {
      let commit = String(repeating: "a", count: 40)
      func list(_ siblings: String, sha: String? = nil) throws -> HubList {
        try HubList(Array(#"{"sha": "\#(sha ?? commit)", "siblings": \#(siblings)}"#.utf8), given: "a/b")
      }
      let digest = String(repeating: "0", count: 64)
      let good = try list(
        #"[{"rfilename": "config.json", "size": 3, "blobId": "x"}, {"rfilename": "g/m.gguf", "size": 7, "lfs": {"sha256": "\#(digest)", "size": 7}}]"#
      )
      #expect(good.commit == commit && good.entries.map(\.name) == ["config.json", "g/m.gguf"])
      #expect(good.entries.map(\.byteCount) == [3, 7] && good.entries[1].digest?.description == digest)
      for bad in [
        "{}", "[1]", "[{}]", #"[{"rfilename": "a"}]"#, #"[{"rfilename": "a", "size": -1}]"#,
        #"[{"rfilename": "../a", "size": 1}]"#, #"[{"rfilename": "/a", "size": 1}]"#,
        #"[{"rfilename": "", "size": 1}]"#,
        #"[{"rfilename": "a", "size": 1}, {"rfilename": "a", "size": 1}]"#, #"[{"rfilename": "a", "size": 1e30}]"#,
        #"[{"rfilename": "a", "size": 1, "lfs": {"size": 2}}]"#, #"[{"rfilename": "a", "size": 9223372036854775807}]"#,
        #"[{"rfilename": "a", "size": 1, "lfs": {"size": 1, "sha256": "x"}}]"#, #"[{"rfilename": "a\\b", "size": 1}]"#,
      ] { #expect(throws: HubError.self, "\(bad)") { try list(bad) } }
      #expect(throws: HubError.self) { try list("[]", sha: "main") }
      #expect(throws: HubError.self) { try HubList(Array("<html>".utf8), given: "a/b") }
    }

    /// The form of the Hub's API; `check_hub.py` holds the Hub's own client to it.
    @Test func referencesAreRead() throws {
      func names(_ text: String) throws -> [String] { try HubReferences(Array(text.utf8), given: "a/b").names }
      let branch = #"{"name": "main", "ref": "refs/heads/main", "targetCommit": "x"}"#
      #expect(try names(#"{"tags": [{"name": "v1"}], "branches": [\#(branch)], "converts": []}"#) == ["main", "v1"])
      // What could not be asked for is left out.
      #expect(try names(#"{"branches": [{"name": "../x"}, {"name": 1}, 2, {"name": "-x"}, \#(branch)]}"#) == ["main"])
      for bad in ["", "[]", "{}", #"{"branches": {}}"#] {
        #expect(throws: HubError.self, "\(bad)") { try names(bad) }
      }
    }

    @Test func digestsOfPiecesAreThoseOfTheWhole() {
      var generator = SeededGenerator(seed: 11)
      let bytes = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      for _ in 0..<20 {
        var running = RunningDigest()
        var pieces = stride(from: 0, to: 5000, by: 250).map { $0..<min(5000, $0 + 300) }
        pieces.shuffle(using: &generator)
        let found = pieces.compactMap { piece in
          bytes.withUnsafeBytes {
            running.add(UnsafeRawBufferPointer(rebasing: $0[piece]), at: UInt64(piece.lowerBound), of: 5000)
          }
        }
        #expect(found == [SHA256.digest(of: bytes)])
      }
    }

    @Test func digestsOfWhatIsHeldAreThoseOfTheWhole() {
      var generator = SeededGenerator(seed: 12)
      let bytes = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      for isWrong in [false, true] {
        var came = bytes
        if isWrong { came[2500] ^= 1 }
        let follower = DigestFollower(SHA256.digest(of: bytes), of: 5000)
        var pieces = stride(from: 0, to: 5000, by: 250).map { $0..<min(5000, $0 + 250) }
        pieces.shuffle(using: &generator)
        for (index, piece) in pieces.enumerated() {
          let held = HubHeld(UInt64(piece.lowerBound)..<UInt64(piece.upperBound))
          held.memory.copyBytes(from: came[piece])
          let found = follower.add(held)
          // The last to come says what is wrong, and so does whoever asks later.
          #expect(found == (isWrong && index == 19 ? SHA256.digest(of: came) : nil))
        }
        #expect(follower.outcome == (isWrong ? SHA256.digest(of: came) : nil))
      }
    }

    @Test func whatIsHeldIsReadWhereItIs() throws {
      let holdings = HubHoldings()
      let held = HubHeld(100..<200)
      held.memory.copyBytes(from: (100..<200).map { UInt8($0) })
      holdings.add(held)
      #expect(holdings.addAgain(100..<200) && !holdings.addAgain(100..<199))
      func read(_ range: Range<UInt64>) throws -> [UInt8]? {
        try holdings.with(range) { bytes in bytes.withUnsafeBytes { Array($0) } }
      }
      #expect(try read(120..<123) == [120, 121, 122])
      #expect(try read(99..<101) == nil && read(199..<201) == nil)
      // Held twice, it is let go twice.
      holdings.letGo(100..<200)
      #expect(try read(100..<101) == [100])
      holdings.letGo(100..<200)
      #expect(try read(100..<101) == nil)
    }

    @Test func whatIsMissingIsKnown() {
      var set = RangeSet()
      var bytes = [Bool](repeating: false, count: 200)
      var generator = SeededGenerator(seed: 7)
      for _ in 0..<60 {
        let start = Int.random(in: 0..<190, using: &generator)
        let end = min(200, start + Int.random(in: 0..<12, using: &generator))
        set.insert(UInt64(start)..<UInt64(end))
        for index in start..<end { bytes[index] = true }
        var missing = [Bool](repeating: false, count: 200)
        for range in set.missing(upTo: 200) { for index in range { missing[Int(index)] = true } }
        #expect(missing == bytes.map { !$0 })
        #expect(zip(set.ranges, set.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
      }
    }

    @Test func rangesCoverWhatIsAskedFor() {
      for count in [1, 1 << 20, 3_000_001, 100 << 20, (16 << 20) + 1] {
        let parts = HubFile.parts(of: count)
        #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == count && parts.count <= HubClient.width)
        #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
      }
    }
  }

  @Suite struct HeldMemoryTests {
    @Test func memoryIsUsedAgainAndNeverMoreThanWasInUse() {
      let memory = HeldMemory()
      func counts() -> [Int] { [memory.byteCounts.free, memory.byteCounts.used] }
      let size = 1 << 20
      let keeper = memory.take(size)
      let second = memory.take(size)
      let place = second.baseAddress
      memory.giveBack(second)
      #expect(counts() == [size, size])
      // What fits is used again; what has more than twice the size does not fit.
      let again = memory.take(size - 100)
      #expect(again.baseAddress == place && again.count == size)
      memory.giveBack(again)
      let small = memory.take(size / 4)
      #expect(small.count == size / 4)
      // Both would be more than two megabytes.
      #expect(counts() == [0, size + size / 4])
      memory.giveBack(keeper)
      #expect(counts() == [size, size / 4])
      // Nothing is kept for nobody.
      memory.giveBack(small)
      #expect(counts() == [0, 0])
    }
  }
#endif
