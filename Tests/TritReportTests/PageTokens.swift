// Tritsmith: a strict reader of pages, written for tests: whatever it does not expect is a fault.

/// The tags of a page, in order. Knows only what pages should have: quoted attributes, balanced elements.
struct PageTokens {
  struct Tag {
    var name: String
    var attributes: [(name: String, value: String)]
    var isEnd: Bool
  }

  private(set) var tags: [Tag] = []
  /// Text between tags, still escaped; scripts and styles are left out.
  private(set) var texts: [String] = []
  private(set) var faults: [String] = []
  private var rest: Substring
  private static let void: Set = ["meta", "input", "br", "wbr"]

  init(_ page: String) {
    rest = page[...]
    if rest.hasPrefix("<!DOCTYPE html>") { rest.removeFirst(15) } else { faults.append("no doctype") }
    while !rest.isEmpty && faults.count < 20 { next() }
    checkBalance()
  }

  private mutating func next() {
    guard rest.first == "<" else {
      let text = rest.prefix { $0 != "<" }
      texts.append(String(text))
      rest = rest[text.endIndex...]
      return
    }
    rest.removeFirst()
    let isEnd = rest.first == "/"
    if isEnd { rest.removeFirst() }
    let name = take { $0.isASCII && ($0.isLetter || $0.isNumber) }
    guard !name.isEmpty else { return faults.append("a lone '<' before \(rest.prefix(20))") }
    var tag = Tag(name: name, attributes: [], isEnd: isEnd)
    var isEmpty = false
    while let character = rest.first, character != ">" {
      if character == " " || character == "\n" {
        rest.removeFirst()
      } else if character == "/" {
        rest.removeFirst()
        isEmpty = true
      } else {
        let key = take { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        var value = ""
        if rest.first == "=" {
          rest.removeFirst()
          guard rest.first == "\"" else { return faults.append("\(key) of \(name) is not quoted") }
          rest.removeFirst()
          value = take { $0 != "\"" }
          rest = rest.dropFirst()
        }
        guard !key.isEmpty else { return faults.append("odd attribute of \(name): \(rest.prefix(20))") }
        tag.attributes.append((key, value))
      }
    }
    rest = rest.dropFirst()
    tags.append(tag)
    if isEmpty { tags.append(Tag(name: name, attributes: [], isEnd: true)) }
    if !isEnd && (name == "script" || name == "style") {
      // Raw text ends at its end tag, whatever stands in it.
      guard let end = rest.range(of: "</\(name)") else { return faults.append("\(name) does not end") }
      rest = rest[end.lowerBound...]
    }
  }

  private mutating func take(while belongs: (Character) -> Bool) -> String {
    let part = rest.prefix(while: belongs)
    rest = rest[part.endIndex...]
    return String(part)
  }

  private mutating func checkBalance() {
    var open: [String] = []
    for tag in tags where !Self.void.contains(tag.name) {
      if !tag.isEnd {
        open.append(tag.name)
      } else if open.popLast() != tag.name {
        faults.append("\(tag.name) ends where it is not open")
        return
      }
    }
    if !open.isEmpty { faults.append("open at the end: \(open)") }
  }

  func count(_ name: String) -> Int { tags.count { $0.name == name && !$0.isEnd } }

  /// Tags of a name that have a class.
  func count(_ name: String, class wanted: String) -> Int {
    tags.count { tag in
      tag.name == name
        && tag.attributes.contains { $0.name == "class" && $0.value.split(separator: " ").contains(wanted[...]) }
    }
  }

  func values(_ attribute: String) -> [String] {
    tags.flatMap { $0.attributes.filter { $0.name == attribute }.map(\.value) }
  }
}

extension Substring {
  /// The first place of a text, by code units.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
