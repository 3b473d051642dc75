// Tritsmith: pages of reports, as files and in a real browser.

import Testing
import TritCore
import TritTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Opens pages with `Tests/Browser/check_page.py`.
enum BrowserCheck {
  private static let script = FileSystem.parent(of: Fixtures.root) + "/Tests/Browser/check_page.py"
  private static let notThere: Int32 = 77

  /// Whether a missing browser is a failure: in CI, which installs one.
  private static var isRequired: Bool { getenv("TRITSMITH_REQUIRE_BROWSER") != nil }

  /// Expects a page to pass, with exact counts of marks by plot and so many screens of 1280 × 800 pixels at most.
  static func expect(
    _ page: String, marks: [String: Int] = [:], leastMarks: [String: Int] = [:], screens: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var arguments = ["python3", "-B", script, page]
    for (key, count) in marks.sorted(by: { $0.key < $1.key }) { arguments += ["--marks", "\(key)=\(count)"] }
    for (key, count) in leastMarks.sorted(by: { $0.key < $1.key }) {
      arguments += ["--least-marks", "\(key)=\(count)"]
    }
    if let screens { arguments += ["--most-screens", "\(screens)"] }
    var runner = ProcessRunner()
    runner.secondsLimit = 240
    let result = runner.run("/usr/bin/env", arguments)
    let isMissing = result.exitCode == notThere || result.exitCode == 127
    if isMissing && !isRequired {
      withKnownIssue("no Chromium or no Python here: pages were not opened (.ci/setup-browser installs one)") {
        Issue.record("not checked in a browser: \(FileSystem.name(of: page))", sourceLocation: sourceLocation)
      }
      return
    }
    #expect(result.exitCode == 0, "\(result.output)\(result.errors)", sourceLocation: sourceLocation)
  }
}

@Suite("Pages")
struct PageTests {
  // MARK: - In a browser

  @Test("the page of a packed model")
  func packed() {
    let scratch = ScratchFolder()
    let page = scratch["bitnet.html"]
    let result = Tool.expect(0, ["inspect", Model.bitnet, "--html", page])
    #expect(result.output.contains("bits per weight"), "the normal output comes as well")
    #expect(result.errors == "page: \(page)\n")
    #expect(Tool.expect(0, ["inspect", Model.bitnet, "--html", page, "--force", "-q"]).errors.isEmpty)
    // The verdict heads the page, the table and the JSON alike.
    let verdict = "A packed ternary model: 4,196,608 parameters in 2.9 MB, 5.51 bits per weight."
    #expect(result.output.hasPrefix(verdict + "\n") && Disk.text(page).contains(verdict))
    let json = Tool.expect(0, ["inspect", Model.bitnet, "--format", "json"]).output
    #expect(json.contains("\"verdict\": {\"outcome\": \"info\", \"headline\": \"\(verdict)\", \"points\": []}"))
    // Seven projections in each of four layers; embeddings, head, attention, feed-forward, norms.
    BrowserCheck.expect(
      page,
      marks: [
        "scale_by_layer": 28, "zeros_by_layer": 28, "entropy_by_layer": 28, "trit_shares": 3 * 7, "size_by_role": 5,
      ], screens: 6)
  }

  @Test("the page of latent weights")
  func latent() {
    let scratch = ScratchFolder()
    let page = scratch["latent.html"]
    Tool.expect(0, ["inspect", Model.falcon, "--html", page])
    // Bins a tenth wide from −4 to 4 at least, nearly all of them occupied, for seven kinds.
    BrowserCheck.expect(
      page, marks: ["scale_by_layer": 28, "edge_density_by_layer": 28, "trit_shares": 21],
      leastMarks: ["latent_weights": 7 * 60], screens: 6)
  }

  @Test("the page of a gap, whether its gates hold or not")
  func gap() {
    let scratch = ScratchFolder()
    let page = scratch["gap.html"]
    // Another model of the same shape: nothing is alike, so every number has something to show.
    let options = ["--tokens", "255", "--attribute", "--attribute-tokens", "32", "-q", "--html", page]
    let result = Tool.expect(1, ["gap", Model.plain, Model.bitnet] + options)
    #expect(result.output.contains("FAIL"), "the normal output comes as well")
    #expect(Disk.text(page).contains("class=\"verdict fail\""))
    // Four layers, each with its residual stream, attention and feed-forward; 28 projections; 4 layers and 7 kinds alone.
    BrowserCheck.expect(
      page,
      marks: [
        "layer_sqnr": 12, "layer_relative_error": 12, "scale_by_layer": 28, "weight_sqnr_by_layer": 28,
        "trit_shares": 21, "attribution": 11, "layer_kld": 4, "zeros_by_layer": 28,
      ], leastMarks: ["kld_distribution": 3, "latent_weights": 7 * 40], screens: 6)
    let exact = scratch["exact.html"]
    Tool.expect(0, ["gap", Model.falcon, Model.bitnet, "--tokens", "64", "-q", "--html", exact])
    #expect(Disk.text(exact).contains("class=\"verdict pass\""))
  }

  @Test("names from a file do nothing but stand there")
  func hostile() {
    let scratch = ScratchFolder()
    let names = [
      "</script><img src=x onerror=\"window.hacked=1\">", "\" onmouseover=\"window.hacked=1",
      "'><svg onload='window.hacked=1'>",
      "<iframe srcdoc='<script>parent.hacked=1</script>'>", "a\u{202E}gpj.exe",
      "model.layers.0.self_attn.q_proj.weight",
      "model.layers.1.self_attn.q_proj.weight\u{2066}", "`${window.hacked=1}`", "x]]>y", "<!-- y",
      "long." + String(repeating: "m", count: 300),
    ]
    var file = RawModelFile(names.map { RawTensor($0, "F32", [4, 4], [UInt8](repeating: 63, count: 64)) })
    file.metadata = names.map { (key: $0, value: $0) }
    let folder = scratch["<b>model"]
    Disk.makeFolder(folder)
    Disk.write(file.serialized, folder + "/model.safetensors")
    let page = scratch["hostile.html"]
    Tool.expect(0, ["inspect", folder, "--html", page])
    BrowserCheck.expect(page, marks: ["scale_by_layer": 1])
  }

  @Test("a page of 32 layers stays under 2 MB")
  func large() {
    let scratch = ScratchFolder()
    let kinds = [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
      "mlp.down_proj",
    ]
    var generator = SeededGenerator(seed: 32)
    var tensors = [RawTensor("model.embed_tokens.weight", "BF16", [64, 64], bf16(4096, &generator))]
    for layer in 0..<32 {
      for kind in kinds {
        tensors.append(RawTensor("model.layers.\(layer).\(kind).weight", "BF16", [64, 64], bf16(4096, &generator)))
      }
      for norm in ["input_layernorm", "post_attention_layernorm"] {
        tensors.append(RawTensor("model.layers.\(layer).\(norm).weight", "BF16", [64], bf16(64, &generator)))
      }
    }
    Disk.makeFolder(scratch["model"])
    Disk.write(RawModelFile(tensors).serialized, scratch["model"] + "/model.safetensors")
    let page = scratch["large.html"]
    Tool.expect(0, ["inspect", scratch["model"], "--html", page])
    let size = Disk.bytes(page).count
    #expect(size < 2_000_000, "\(size) bytes")
    BrowserCheck.expect(page, marks: ["scale_by_layer": 224, "trit_shares": 21])
  }

  private func bf16(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    // A sum of uniform numbers is bell-shaped enough; bfloat16 has the upper half of its bits.
    FloatBytes.bf16(
      (0..<count).map { _ in
        let value = (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -0.05...0.05, using: &generator) }
        return Float(bitPattern: value.bitPattern & 0xFFFF_0000)
      })
  }

  // MARK: - As a file

  @Test("a page replaces nothing unasked, and appears whole or not at all")
  func places() {
    let scratch = ScratchFolder()
    let page = scratch["page.html"]
    Disk.write(Array("mine".utf8), page)
    let refused = Tool.expect(73, ["inspect", Model.goldenPacked, "--html", page])
    #expect(refused.output.isEmpty && Disk.text(page) == "mine")
    #expect(refused.errors.contains("--force"))
    Tool.expect(0, ["inspect", Model.goldenPacked, "--html", page, "--force"])
    #expect(Disk.text(page).hasPrefix("<!DOCTYPE html>") && Disk.text(page).hasSuffix("</html>\n"))
    #expect(Disk.names(scratch.path) == ["page.html"], "nothing else is left")
    Tool.expect(73, ["inspect", Model.goldenPacked, "--html", scratch["no/page.html"]])
    Tool.expect(66, ["inspect", scratch["nothing"], "--html", scratch["other.html"]])
    #expect(Disk.names(scratch.path) == ["page.html"], "a run that fails leaves no page")
  }

  @Test("a page can be printed instead")
  func printed() {
    let page = Tool.expect(0, ["inspect", Model.goldenPacked, "--html", "-"]).output
    #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
    #expect(Tool.expect(64, ["inspect", Model.goldenPacked, "--html", "-", "--metadata", "format"]).output.isEmpty)
  }

  @Test("a page of a gap holds no clock unless it is asked for")
  func clock() {
    let options = ["gap", Model.falcon, Model.bitnet, "--tokens", "64", "--html", "-"]
    let page = Tool.expect(0, options).output
    #expect(page == Tool.expect(0, options).output && !page.contains("Peak memory"))
    #expect(Tool.expect(0, options + ["--timings"]).output.contains("Peak memory"))
  }

  @Test("the same model gives the same page, byte for byte, on any number of threads")
  func deterministic() {
    let one = Tool.expect(0, ["inspect", Model.falcon, "--html", "-", "--threads", "1"]).output
    #expect(one == Tool.expect(0, ["inspect", Model.falcon, "--html", "-", "--threads", "3"]).output)
  }
}
