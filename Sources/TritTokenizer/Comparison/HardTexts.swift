// Tritsmith: texts on which tokenizers that are not the same part.

extension TokenizerComparison {
  /// Texts that tell rules apart: each stands for a rule that some published tokenizer has and another has not.
  ///
  /// They are part of the program, so that two comparisons, years apart, ask the same.
  package static let hardTexts: [String] =
    spaces + contractions + digits + words + scripts + marks + pictures + unusual + tokens + lengths

  /// White space: alone, in runs, before words, around line ends.
  private static let spaces: [String] = [
    " ", "  ", "   ", "    ", "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", " \n", "\n ", "\t\n",
    " \t \n \r ", "a b", "a  b", "a   b", " a", "  a", "a ", "a  ", "a\nb", "a\n\nb", "a \n b", "a\n  b",
    "a\r\nb", "a\tb", "a\t\tb", "x\u{A0}y", "x\u{2003}y", "x\u{3000}y", "x\u{200B}y", "x\u{FEFF}y", "x\u{85}y",
    "x\u{2028}y", "x\u{B}y\u{C}z",
  ]

  /// Contractions, in both cases and with the characters that look like them.
  private static let contractions: [String] = [
    "I'm you're he's we'll they've I'd can't", "I'M YOU'RE HE'S WE'LL THEY'VE I'D CAN'T",
    "'s'S't'T'll'LL've'VE'", "l'homme d'être qu'il", "it\u{2019}s they\u{2019}ll", "'\u{17F} 'ſ 'K",
    "''s '' 'sx 'tis 'twas",
  ]

  /// Digits: runs of every length, in other scripts, with signs between.
  private static let digits: [String] = [
    "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890",
    "3.14159 1,000,000 1e-10 0x1F 2024-02-29 12:34:56", "a1b22c333d4444", " 1 22 333", "٠١٢٣٤٥٦٧٨٩", "一二三四五",
    "½ ² ³ ¹ Ⅷ ①", "१२३४", "𝟘𝟙𝟚𝟛",
  ]

  /// Words and signs.
  private static let words: [String] = [
    "Hello, world!", "hello.world", "foo_bar fooBar FooBar FOOBar foo-bar", "HTTPServer iPhone eBay McDonald",
    "a.b.c...d", "!!! ??? ... --- ___ === ~~~ ###", "(a)[b]{c}<d>", "$100 €200 £300 ¥400 +5 -6 ×7 ÷8",
    "`code` ^hat |pipe ~tilde", "// comment\n/* block */\n#include <x.h>\n",
    "\"quoted\" 'single' “curly” ‘curly’ «guillemets»", "x=y+z; if(a&&b||!c){d();}",
    "https://example.org/a?b=c&d=e#f user@example.org", "\\n \\t \\\\ \\u0041", " .,;:!?", "a,b ,c , d", "!\n",
    "?\n\n", ".\r\n.", "  def f(x):\n\n        return x\n\t\tpass\n",
  ]

  /// Scripts.
  private static let scripts: [String] = [
    "Привет, мир! Ёжик", "Ελληνικά άλφα", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "ກຂຄ",
    "ខ្ញុំ", "မြန်မာ", "தமிழ்", "中文字符，测试。", "日本語のテキスト、カタカナ", "한국어 텍스트", "ꀀꀁ ᎣᏏᏲ", "㐀㐁 𠀀𠀁", "Ａｂｃ１２３", "ǅ ǈ ǲ",
    "ﬁ ﬂ ﬀ", "ß ẞ ŉ İ ı", "Zażółć gęślą jaźń", "Tiếng Việt", "ʕ•ᴥ•ʔ", "ªº ʰʲ",
  ]

  /// The same letters composed and decomposed, marks alone and in several orders.
  private static let marks: [String] = [
    "é e\u{301}", "Å A\u{30A} \u{212B}", "ṩ s\u{323}\u{307} s\u{307}\u{323}", "\u{301}", " \u{301}a",
    "가 \u{1100}\u{1161} 각 \u{1100}\u{1161}\u{11A8}", "\u{958} \u{915}\u{93C}", "\u{2126} Ω \u{1F71}",
    "\u{FB1D} \u{2FA1D}", "a\u{20DD}b\u{FE0F}",
  ]

  /// Emoji: alone, joined, with skin and flags.
  private static let pictures: [String] = [
    "😀", "😀😀", " 😀 ", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪🇫🇷", "❤️ ☺︎", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a😀b1😀2",
  ]

  /// Control characters, characters without meaning, private ones, the last ones.
  private static let unusual: [String] = [
    "\u{0}", "a\u{0}b", "\u{1}\u{2}\u{1B}[0m\u{7F}", "\u{AD}soft\u{AD}", "\u{202E}rtl\u{202C}", "\u{FFFD}",
    "\u{E000}\u{F8FF}", "\u{FFFE}\u{FFFF}", "\u{10FFFF}", "\u{378}\u{E0100}",
  ]

  /// Latin-1 letters that stand for bytes in vocabularies, and the stand-ins of spaces. Special tokens as text.
  private static let tokens: [String] = [
    "Ġthe Ċ ĉ", "▁the ▁", "<0x0A><0xFF>", "õ ÷ ü ÿ À Á", "<s>a</s>", "<|endoftext|>", "a<|endoftext|>b",
    "<|im_start|>user\nhi<|im_end|>", "<unk><pad><mask>", "<|begin_of_text|>", "<bos>a<eos>", ">>TITLE<<",
    "[INST] x [/INST]", "<|eot_id|>\n", "[PAD300]",
  ]

  /// Length, and nothing.
  private static let lengths: [String] = [
    "", String(repeating: "a", count: 200), String(repeating: "ab", count: 100),
    String(repeating: " ", count: 100) + "x", String(repeating: "\n", count: 50),
    String(repeating: "9", count: 100), String(repeating: "é", count: 60), String(repeating: "-", count: 90),
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "The quick brown fox jumps over the lazy dog. In the beginning God created the heaven and the earth.",
  ]
}
