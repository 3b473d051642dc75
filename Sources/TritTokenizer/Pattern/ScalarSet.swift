// Tritsmith: sets of Unicode scalars as patterns name them.

/// A set of scalars: ranges, general categories and white space, possibly inverted.
struct ScalarSet: Sendable, Equatable {
  enum Item: Sendable, Equatable {
    case range(UInt32, UInt32)
    /// Bits of `GeneralCategories`.
    case categories(UInt32)
    /// The property White_Space, or all that lacks it.
    case whiteSpace(Bool)
    /// `\w`: alphabetic, marks, decimal digits, connector punctuation; see `isWord` for the rest.
    case word
  }

  var items: [Item]
  var isInverted = false
  /// Scalars newer than this Unicode version count as unassigned, as they do for the library that defines the ids.
  var unicode = UnicodeVersion.oniguruma

  func contains(_ value: UInt32) -> Bool {
    guard let scalar = Unicode.Scalar(value) else { return false }
    for item in items where contains(scalar, item) { return !isInverted }
    return isInverted
  }

  private func contains(_ scalar: Unicode.Scalar, _ item: Item) -> Bool {
    switch item {
    case .range(let low, let high): scalar.value >= low && scalar.value <= high
    case .categories(let mask): mask & (1 << GeneralCategories.index(of: scalar, unicode)) != 0
    case .whiteSpace(let expected): scalar.properties.isWhitespace == expected
    case .word: isWord(scalar)
    }
  }

  /// The two engines agree but for this: Rust adds join controls (UTS 18), Oniguruma the numbers of Latin-1 (²³¹¼½¾).
  private func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let category: UInt32 = 1 << GeneralCategories.index(of: scalar, unicode)
    if category & GeneralCategories.word != 0 { return true }
    if category & GeneralCategories.unassigned != 0 { return false }
    if scalar.properties.isAlphabetic { return true }
    return unicode.isOniguruma
      ? scalar.value < 0x100 && scalar.properties.generalCategory == .otherNumber : scalar.properties.isJoinControl
  }
}

/// A version of the Unicode character data.
///
/// Swift's library follows Unicode 17, the regular expression engine of `tokenizers` 0.23 Unicode 16: 4,644 letters
/// newer than that would otherwise be split differently. Ids are defined by that library, so it is followed.
struct UnicodeVersion: Sendable, Equatable {
  var major: Int
  var minor: Int
  /// Whether the character data is Oniguruma's, which has its own words.
  var isOniguruma = false

  /// Oniguruma as `tokenizers` 0.23 carries it: `Split` and the pattern of `ByteLevel`.
  static let oniguruma = UnicodeVersion(major: 16, minor: 0, isOniguruma: true)
  /// The crate `regex`: `Whitespace`.
  static let regex = UnicodeVersion(major: 16, minor: 0)
  /// The crate `unicode_categories`: `Punctuation`.
  static let punctuation = UnicodeVersion(major: 8, minor: 0)
  /// The crate `unicode-normalization-alignments`: which characters are marks, for `StripAccents`.
  static let normalization = UnicodeVersion(major: 9, minor: 0)
  /// Rust's own character data: `Digits`, `Lowercase`, `Strip`, and the words and spaces around added tokens.
  static let rust = UnicodeVersion(major: 17, minor: 0)
}

/// General categories as bits of a mask.
enum GeneralCategories {
  /// The two-letter names; the position is the bit.
  static let names = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]
  static let all: UInt32 = 1 << 30 - 1
  static let unassigned: UInt32 = 1 << 29
  static let marks: UInt32 = 1 << 5 | 1 << 6 | 1 << 7
  static let word: UInt32 = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 11

  /// The mask of `L`, `Lu`, `N` and so on; nil when the name is not a general category.
  static func mask(named name: String) -> UInt32? {
    var mask: UInt32 = 0
    for (bit, candidate) in names.enumerated()
    where candidate.utf8.elementsEqual(name.utf8) || name.utf8.count == 1 && candidate.utf8.first == name.utf8.first {
      mask |= 1 << UInt32(bit)
    }
    return mask == 0 ? nil : mask
  }

  static func index(of scalar: Unicode.Scalar, _ version: UnicodeVersion) -> UInt32 {
    let properties = scalar.properties
    if let category = moved(scalar.value, version) { return category }
    if scalar.value >= 0x80, let age = properties.age,
      age.major > version.major || age.major == version.major && age.minor > version.minor
    {
      return 29
    }
    return index(of: properties.generalCategory)
  }

  /// Categories that later versions changed, as they were in an earlier one.
  private static func moved(_ value: UInt32, _ version: UnicodeVersion) -> UInt32? {
    switch (value, version) {
    case (0x295, .oniguruma): 1  // ʕ, Ll before 17, Lo since
    case (0x166D, .punctuation): 17  // Po before 12, So since
    case (0x111C9, .punctuation), (0x111C9, .normalization): 17  // Po before 11, Mn since
    case (0x1CF2...0x1CF3, .normalization): 6  // Mc before 12, Lo since
    default: nil
    }
  }

  private static func index(of category: Unicode.GeneralCategory) -> UInt32 {
    switch category {
    case .uppercaseLetter: 0
    case .lowercaseLetter: 1
    case .titlecaseLetter: 2
    case .modifierLetter: 3
    case .otherLetter: 4
    case .nonspacingMark: 5
    case .spacingMark: 6
    case .enclosingMark: 7
    case .decimalNumber: 8
    case .letterNumber: 9
    case .otherNumber: 10
    case .connectorPunctuation: 11
    case .dashPunctuation: 12
    case .openPunctuation: 13
    case .closePunctuation: 14
    case .initialPunctuation: 15
    case .finalPunctuation: 16
    case .otherPunctuation: 17
    case .mathSymbol: 18
    case .currencySymbol: 19
    case .modifierSymbol: 20
    case .otherSymbol: 21
    case .spaceSeparator: 22
    case .lineSeparator: 23
    case .paragraphSeparator: 24
    case .control: 25
    case .format: 26
    case .surrogate: 27
    case .privateUse: 28
    case .unassigned: 29
    @unknown default: 29
    }
  }
}
