// Tritsmith: every renderer against text written by hand.

import Testing
import TritReport

@Suite struct RendererTests {
  @Test func text() {
    #expect(
      TextRenderer().text(of: Sample.document) == """
        PASS all scales are finite

        Path            models/a "b".gguf
        File size       2.9 MB (2,912,345 bytes)
        Zero share      31.0 %  (of ternary weights)
        Largest tensor  18,446,744,073,709,551,615
        Licence         -

        Contents

        Every tensor of the file.

        Tensors
        Name          Shape          Elements     Size   Scale   Zeros  Time (ms)  Ternary
        ────────────  ────────────  ─────────  ───────  ──────  ──────  ─────────  ───────
        blk.0.attn_q  [2560, 2560]  6,553,600   1.6 MB  0.0125  31.2 %       1.00  yes
        output|norm   [2560]            2,560  10.2 kB       -     nan       0.00  no
        ────────────  ────────────  ─────────  ───────  ──────  ──────  ─────────  ───────
        total                       6,556,160   1.6 MB                       1.00

        warning: block size is assumed

        """)
  }

  @Test func json() {
    #expect(
      JSONRenderer().text(of: Sample.document) == #"""
        {
          "schema": "tritsmith.inspect",
          "schema_version": 1,
          "title": "Inspection",
          "file": {
            "path": "models/a \"b\".gguf",
            "file_size": 2912345,
            "zero_share": 0.31,
            "largest_tensor": 18446744073709551615,
            "licence": null
          },
          "tensors": [
            {"name": "blk.0.attn_q", "shape": [2560, 2560], "elements": 6553600, "size": 1638400, "scale": 0.0125, "zeros": 0.3125, "time": 1.005, "ternary": true},
            {"name": "output|norm", "shape": [2560], "elements": 2560, "size": 10240, "scale": null, "zeros": null, "time": -0.001, "ternary": false}
          ],
          "tensors_total": {"name": "total", "shape": null, "elements": 6556160, "size": 1648640, "scale": null, "zeros": null, "time": 1.004, "ternary": null},
          "notes": [
            {"severity": "warning", "text": "block size is assumed"},
            {"severity": "pass", "text": "all scales are finite"}
          ]
        }

        """#)
  }

  @Test func csv() {
    #expect(
      CSVRenderer().text(of: Sample.document)
        == [
          "name,shape,elements,size,scale,zeros,time,ternary",
          "blk.0.attn_q,2560 2560,6553600,1638400,0.0125,0.3125,1.005,true",
          "output|norm,2560,2560,10240,,nan,-0.001,false", "",
        ].joined(separator: "\r\n"))
  }

  @Test func markdown() {
    #expect(
      MarkdownRenderer().text(of: Sample.document) == #"""
        # Inspection

        - Path: models/a "b".gguf
        - File size: 2.9 MB (2,912,345 bytes)
        - Zero share: 31.0 % (of ternary weights)
        - Largest tensor: 18,446,744,073,709,551,615
        - Licence: -

        ## Contents

        Every tensor of the file.

        ### Tensors

        | Name | Shape | Elements | Size | Scale | Zeros | Time (ms) | Ternary |
        |---|---|---:|---:|---:|---:|---:|---|
        | blk.0.attn_q | \[2560, 2560\] | 6,553,600 | 1.6 MB | 0.0125 | 31.2 % | 1.00 | yes |
        | output\|norm | \[2560\] | 2,560 | 10.2 kB | - | nan | 0.00 | no |
        | **total** |  | **6,556,160** | **1.6 MB** |  |  | **1.00** |  |

        > **warning:** block size is assumed

        > **pass:** all scales are finite

        """#)
  }

  @Test func everyFormatHasARenderer() {
    for format in ReportFormat.allCases {
      #expect(format.renderer.text(of: Sample.document).utf8.last == 0x0A, "\(format)")
      #expect(!format.renderer.text(of: ReportDocument(title: "", schema: .init("x", version: 1))).contains("\u{1B}"))
    }
  }
}
