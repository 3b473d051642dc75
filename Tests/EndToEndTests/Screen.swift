// Tritsmith: what a person sees on a terminal.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A terminal on which the tool runs.
enum Screen {
  /// The lines a call leaves on a terminal of that width, without colour, and its messages.
  static func show(
    _ columns: Int, _ arguments: [String], code: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> (lines: [String], errors: String) {
    let (terminal, name) = try #require(open(), "no terminal can be made", sourceLocation: sourceLocation)
    defer { close(terminal) }
    let (text, result) = run(
      terminal, name, BuiltProducts.tritsmith, arguments, ["COLUMNS": "\(columns)", "NO_COLOR": "1"])
    #expect(
      result.exitCode == code, "\(arguments.joined(separator: " ")): \(result.summary)", sourceLocation: sourceLocation)
    return (text, result.errors)
  }

  /// What a person sees of a call in a folder: output and messages, on a terminal of that size, without colour.
  static func look(
    _ columns: UInt16, _ rows: UInt16, in folder: String, _ arguments: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let (terminal, name) = try #require(open(), "no terminal can be made", sourceLocation: sourceLocation)
    defer { close(terminal) }
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    #if canImport(Glibc)
      let request = UInt(TIOCSWINSZ)
    #else
      let request: UInt = 0x8008_7467
    #endif
    try #require(ioctl(terminal, request, &size) == 0, sourceLocation: sourceLocation)
    let script = "cd \"$0\" && exec \"$@\" 2>&1"
    let (lines, _) = run(
      terminal, name, "/bin/sh", ["-c", script, folder, BuiltProducts.tritsmith] + arguments,
      ["COLUMNS": "", "NO_COLOR": "1", "TERM": "xterm"])
    // A progress line writes over itself, and is cleared in the end.
    return lines.map { line in
      let plain = line.replacing(/\u{1B}\[[0-9;?]*[A-Za-z]/, with: "")
      return plain.split(separator: "\r", omittingEmptySubsequences: false).last.map(String.init) ?? ""
    }
  }

  /// Runs a program with a terminal as its output.
  private static func run(
    _ terminal: Int32, _ name: String, _ program: String, _ arguments: [String], _ environment: [String: String]
  ) -> (lines: [String], result: ProcessResult) {
    // Held open, so that what was written waits for the last reading.
    let holder = Screen.open(path: name)
    defer { close(holder) }
    _ = fcntl(terminal, F_SETFL, O_NONBLOCK)
    var bytes: [UInt8] = []
    func drain() {
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        let count = buffer.withUnsafeMutableBytes { read(terminal, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        bytes += buffer.prefix(count)
      }
    }
    var runner = ProcessRunner()
    runner.outputPath = name
    runner.environment = environment
    let result = runner.run(program, arguments) { _ in
      drain()
      return false
    }
    drain()
    let text = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
    return (text.dropLast().map(String.init), result)
  }

  private static func open(path: String) -> Int32 {
    #if canImport(Glibc)
      Glibc.open(path, O_RDWR | O_NOCTTY)
    #else
      Darwin.open(path, O_RDWR | O_NOCTTY)
    #endif
  }

  /// A new terminal: our end of it, and the name of the tool's.
  private static func open() -> (Int32, String)? {
    let terminal = open(path: "/dev/ptmx")
    guard terminal >= 0 else { return nil }
    #if canImport(Glibc)
      // What unlockpt and ptsname do, which Swift does not see: TIOCSPTLCK and TIOCGPTN of <asm-generic/ioctls.h>.
      var isLocked: Int32 = 0
      var number: UInt32 = 0
      guard ioctl(terminal, 0x4004_5431, &isLocked) == 0, ioctl(terminal, 0x8004_5430, &number) == 0 else {
        close(terminal)
        return nil
      }
      return (terminal, "/dev/pts/\(number)")
    #else
      guard grantpt(terminal) == 0, unlockpt(terminal) == 0, let name = ptsname(terminal) else {
        close(terminal)
        return nil
      }
      return (terminal, String(cString: name))
    #endif
  }
}

extension ModelFolderBuilder {
  /// A latent Llama of many layers, 64 wide, with the shipped tokenizer; small enough to be made for a test.
  static func deep(layers: Int, _ folder: String) -> String {
    let (width, inner, vocabulary) = (64, 128, 2048)
    var state: UInt32 = 29
    func numbers(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return BFloat16.rounded((Float(state >> 16) / 65536 - 0.5) / 4)
      }
    }
    func tensor(_ name: String, _ shape: [Int]) -> RawTensor {
      RawTensor(name, "BF16", shape, FloatBytes.bf16(numbers(shape.reduce(1, *))))
    }
    func norm(_ name: String) -> RawTensor {
      RawTensor(name, "BF16", [width], FloatBytes.bf16([Float](repeating: 1, count: width)))
    }
    var tensors = [
      tensor("model.embed_tokens.weight", [vocabulary, width]), norm("model.norm.weight"),
      tensor("lm_head.weight", [vocabulary, width]),
    ]
    for layer in 0..<layers {
      let place = "model.layers.\(layer)."
      tensors += [norm(place + "input_layernorm.weight"), norm(place + "post_attention_layernorm.weight")]
      for name in ["q", "k", "v", "o"] {
        tensors.append(tensor(place + "self_attn.\(name)_proj.weight", [width, width]))
      }
      tensors += [
        tensor(place + "mlp.gate_proj.weight", [inner, width]), tensor(place + "mlp.up_proj.weight", [inner, width]),
        tensor(place + "mlp.down_proj.weight", [width, inner]),
      ]
    }
    var configuration = (try? JSONValue.parse(Disk.bytes(Model.falcon + "/config.json")).object) ?? JSONObject()
    for (key, value) in [
      ("hidden_size", width), ("intermediate_size", inner), ("num_hidden_layers", layers), ("num_attention_heads", 4),
      ("num_key_value_heads", 4), ("head_dim", 16),
    ] {
      configuration[key] = .number(JSONNumber(value))
    }
    var builder = ModelFolderBuilder(
      tensors, configuration: String(decoding: JSONValue.object(configuration).serialized(), as: UTF8.self))
    for name in Disk.names(Model.falcon) where name.hasPrefix("tokenizer") || name.hasPrefix("special") {
      builder.companions[name] = Disk.text(Model.falcon + "/" + name)
    }
    return builder.write(folder)
  }
}
