// Tritsmith: reports as pages.

/// One self-contained page: style, drawings and a little script inside, nothing loaded from anywhere.
///
/// The verdict stands first, then the blocks in reading order, then the glossary. Every text is escaped for its place,
/// and a policy in the page forbids the network and every script but the page's own, should an escape ever fail.
package struct HTMLRenderer: ReportRenderer {
  /// A renderer without settings.
  package init() {}

  /// Appends the page.
  package func render(_ document: ReportDocument, to output: inout some TextOutputStream) {
    let document = document.withoutEmptyBlocks
    let title = document.title.isEmpty ? document.schema.id : document.title
    output.write("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
    output.write("<meta http-equiv=\"Content-Security-Policy\" content=\"\(HTMLRenderer.policy)\">\n")
    output.write("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
    output.write("<meta name=\"generator\" content=\"tritsmith\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
    output.write("<title>\(htmlText(title))</title>\n<style>\n\(PageStyle.css)\n</style>\n</head>\n<body>\n")
    output.write("<a class=\"skip\" href=\"#main\">To the report</a>\n<div class=\"page\">\n<header>")
    output.write("<p class=\"brand\"><b>tritsmith</b> \(htmlText(verb(document.schema)))</p>")
    output.write("<button id=\"theme\" type=\"button\" hidden>Dark</button></header>\n<main id=\"main\">\n")
    output.write("<h1>\(htmlText(title))</h1>\n")
    if let verdict = document.verdict { output.write(html(verdict)) }
    var page = PageBlocks(document)
    let lead = page.takeLead()
    page.write(lead[...], to: &output)
    output.write(page.navigation)
    page.write(document.blocks.dropFirst(lead.count), to: &output)
    output.write(page.closing)
    output.write("</main>\n<footer><p>Schema \(htmlText(document.schema.id)) \(document.schema.version). ")
    output.write("The same numbers, with all digits: <code>--format json</code>.</p></footer>\n</div>\n")
    output.write(
      "<div id=\"tip\" role=\"status\" hidden></div>\n<script>\(PageScript.source)</script>\n</body>\n</html>\n")
  }

  /// No network at all; the page's own style and script only.
  static let policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(PageScript.hash)'; base-uri 'none'; "
    + "form-action 'none'"

  /// The last part of a schema's name: the command that made the report.
  private func verb(_ schema: ReportSchema) -> String {
    schema.id.split(separator: ".").last.map(String.init) ?? schema.id
  }

  private func html(_ verdict: ReportVerdict) -> String {
    let points = verdict.points.map { "<li>\(htmlText($0))</li>" }.joined()
    // A remark that is no verdict of a check needs no stamp.
    let badge = verdict.outcome == .info ? "" : "<p class=\"badge\">\(verdict.outcome.rawValue)</p>"
    return "<section class=\"verdict \(verdict.outcome.rawValue)\">\(badge)<p class=\"headline\">"
      + htmlText(verdict.headline) + "</p>" + (points.isEmpty ? "" : "<ul>\(points)</ul>") + "</section>\n"
  }
}
