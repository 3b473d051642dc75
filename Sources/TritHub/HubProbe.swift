// Tritsmith: answers of servers that nobody vouches for, without a network.

import TritCore

/// Takes an answer apart as far as a command would. Built for the fuzzers, which have no server.
package enum HubProbe {
  /// - Parameter bytes: an answer as it stands on the wire: a line with the status, headers, an empty line, a body.
  /// - Throws: what a command would end with.
  package static func read(_ bytes: [UInt8]) throws {
    #if !TRITSMITH_NO_NETWORK
      let address = "https://hub.example/api/models/a/b"
      guard let hub = Origin(address), let name = HubName("a/b") else { preconditionFailure("both are well formed") }
      // In place: an array for each byte would be most of what a fuzzer spends its time on.
      let end = bytes.indices.dropLast(3).first {
        bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
      }
      let head = Array(bytes[..<(end ?? bytes.endIndex)])
      let body = Array(bytes[(end.map { $0 + 4 } ?? bytes.endIndex)...])
      let words = head.prefix { $0 != 13 }.split(separator: UInt8(ascii: " "))
      let status = words.count < 2 ? nil : Int(String(decoding: words[1], as: UTF8.self))
      let answer = HubAnswer(
        status: status ?? 0, headers: HubRequest.headers(head), bodyCount: body.count, bodyOverflows: false,
        failure: nil)
      _ = (answer.entityTag, answer.linkedTag, answer.retryAfter)
      if answer.isRedirect {
        guard HubClient.target(of: answer, from: address, of: hub) != nil else {
          throw HubFault.redirect(answer, from: address, to: "a/b")
        }
        return
      }
      if answer.status == 206 {
        guard let range = answer.range, range.first <= range.last, range.last < range.total else {
          throw HubFault.broken("no range", path: "a/b")
        }
        return
      }
      guard answer.status == 200 else {
        throw HubFault.error(answer, address: address, name, file: "a/b", hasToken: false, attempts: 1)
      }
      if let references = try? HubReferences(body, given: "a/b") {
        precondition(
          references.names.allSatisfy { HubName("a/b@" + $0.split(separator: "/").joined(separator: "%2F")) != nil })
        return
      }
      let list = try HubList(body, given: "a/b")
      let folders = HubRepository.folders(of: list.entries).mapValues { Set($0) }
      for entry in list.entries {
        // Every file is in a folder of the list, and its address has nothing that ends a line.
        let folder = entry.name.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(entry.name[..<$0]) } ?? ""
        precondition(folders[folder]?.contains(FileSystem.name(of: entry.name)) == true, "in no folder")
        precondition(HubFile.escaped(entry.name).utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "not escaped")
      }
    #endif
  }
}
