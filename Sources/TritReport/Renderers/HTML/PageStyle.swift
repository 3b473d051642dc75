// Tritsmith: how pages look.

/// The style sheet of a page: one column of text, figures as wide as the page, quiet colours, numerals that align.
enum PageStyle {
  static let css = PlotPalette.css + base + blocks + tables + hidden + plots + adaptation

  /// Columns that a reader has put away, by number, and series by colour: the script changes one class each.
  private static let hidden: String = {
    let columns = (1...64).map { ".o\($0) tr>:nth-child(\($0))" }
    let series = (PlotPalette.series.indices.map { "s\($0)" } + ["tn", "tz", "tp"]).map { ".no-\($0) .panel .\($0)" }
    return (columns + series).joined(separator: ",") + "{display:none}\n"
  }()

  private static let base = """
    :root{color-scheme:light dark;--paper:light-dark(#fcfbf8,#15171a);--card:light-dark(#fff,#1b1e22);\
    --ink:light-dark(#1d1c1a,#e8e6e1);--soft:light-dark(#625f58,#a3a19b);--rule:light-dark(#e3dfd6,#30343a);\
    --faint:light-dark(#f3f0e9,#22262b);--link:light-dark(#005a94,#7cc4f5);--pass:light-dark(#0b6b43,#4fc992);\
    --fail:light-dark(#b3261e,#ff8f85);--warning:light-dark(#8a5a00,#eebb5c);--info:light-dark(#005a94,#7cc4f5);\
    --hot:light-dark(#f0a35e,#8a4a12);--cold:light-dark(#f7f3ea,#1f2328);\
    --shade:light-dark(rgb(0 0 0/.16),rgb(255 255 255/.14));\
    --serif:Charter,"Bitstream Charter","Iowan Old Style","Source Serif 4",Georgia,"Times New Roman",serif;\
    --sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif;\
    --mono:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
    :root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}
    *{box-sizing:border-box}
    html{background:var(--paper);-webkit-text-size-adjust:100%}
    body{margin:0;color:var(--ink);font:16px/1.55 var(--sans);font-variant-numeric:tabular-nums lining-nums;\
    overflow-wrap:anywhere}
    .page{max-width:1040px;margin:0 auto;padding:0 24px 64px}
    header{display:flex;justify-content:space-between;align-items:center;padding:20px 0 12px}
    .brand{margin:0;font-size:13px;letter-spacing:.02em;color:var(--soft)}.brand b{color:var(--ink);font-weight:650}
    #theme{font:inherit;font-size:13px;color:var(--soft);background:none;border:1px solid var(--rule);\
    border-radius:99px;padding:4px 13px;cursor:pointer}#theme:hover{color:var(--ink);border-color:var(--soft)}
    h1,h2,h3,h4{font-family:var(--serif);line-height:1.2;font-weight:600;margin:0;text-wrap:balance}
    h1{font-size:clamp(25px,4.6vw,40px);letter-spacing:-.012em;margin:14px 0 22px;max-width:24em}
    h2{font-size:25px;letter-spacing:-.008em;display:inline}
    .fold{margin:34px 0 0;border-top:2px solid var(--ink);scroll-margin-top:calc(var(--contents,67px) + 8px)}
    .fold>summary{cursor:pointer;padding:12px 0 2px;list-style:none;display:flex;align-items:baseline;gap:12px}
    .fold>summary::-webkit-details-marker{display:none}
    .fold>summary::after{content:"show";font-size:13px;color:var(--soft);margin-left:auto}
    .fold[open]>summary::after{content:"fold"}.fold>summary:hover::after{color:var(--ink)}
    h3{font-size:19px}h4{font:600 13.5px/1.35 var(--sans)}
    p{margin:10px 0;max-width:44em}a{color:var(--link);text-decoration-thickness:1px;text-underline-offset:2px}
    :focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
    nav{position:sticky;top:0;z-index:3;background:var(--paper);border-bottom:1px solid var(--rule);margin:14px 0 0}
    nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:0;padding:9px 0;font-size:14px}
    nav a{color:var(--soft);text-decoration:none}nav a:hover{color:var(--ink);text-decoration:underline}
    footer{margin-top:72px;padding-top:14px;border-top:1px solid var(--rule);font-size:13px;color:var(--soft)}
    .why{text-decoration:underline dotted color-mix(in srgb,var(--soft) 70%,transparent);text-underline-offset:3px;\
    color:inherit;cursor:help}.why:hover{text-decoration-color:var(--ink)}
    .skip{position:absolute;left:-999em}.skip:focus{left:24px;top:8px;background:var(--card);padding:6px 10px}
    #tip{position:fixed;z-index:9;max-width:min(330px,calc(100vw - 24px));background:var(--card);color:var(--ink);\
    border:1px solid var(--rule);border-radius:7px;box-shadow:0 6px 26px rgb(0 0 0/.16);padding:9px 12px;\
    font:13px/1.45 var(--sans);white-space:pre-line;text-align:left}#tip[hidden]{display:none}#tip b{display:block}
    #tip a{display:inline-block;margin-top:3px}

    """

  private static let blocks = """
    .verdict{border-left:5px solid var(--v);background:color-mix(in srgb,var(--v) 7%,var(--card));\
    padding:18px 22px;border-radius:0 8px 8px 0}.verdict p{margin:0}
    .pass{--v:var(--pass)}.fail,.error{--v:var(--fail)}.warning{--v:var(--warning)}.info{--v:var(--info)}
    .verdict .headline{font:600 clamp(18px,2.6vw,23px)/1.35 var(--serif);max-width:36em}
    .verdict ul{margin:10px 0 0;padding-left:1.15em;color:var(--soft);font-size:15px}.verdict li{margin:3px 0}
    .badge{display:inline-block;white-space:nowrap;flex:none;font:700 11.5px/1 var(--sans);letter-spacing:.07em;text-transform:uppercase;\
    color:var(--v);border:1.5px solid var(--v);border-radius:4px;padding:3px 7px}
    .tone{color:var(--v)}.verdict .badge{margin:0 0 10px;background:var(--v);color:var(--card)}
    .note{display:flex;gap:10px;align-items:baseline;margin:12px 0;font-size:15px}
    dl{margin:0}dd{margin:0}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(150px,45%),1fr));gap:20px 28px;\
    margin:22px 0 4px}
    .figures dt{font-size:13.5px;color:var(--soft);line-height:1.35}.figures .fact{display:flex;\
    flex-direction:column}
    .figures dd:not(.below){order:-1;font:600 28px/1.15 var(--serif);font-variant-numeric:tabular-nums lining-nums}
    .below{line-height:1.3}.figures .aside{font:13px/1.35 var(--sans);color:var(--soft)}
    .facts{margin:16px 0 8px}.facts h3{margin:34px 0 8px}
    .facts .fact{display:grid;grid-template-columns:minmax(120px,200px) 1fr;gap:2px 22px;padding:6px 0;\
    border-bottom:1px solid var(--rule)}.facts dt{color:var(--soft)}
    .aside{color:var(--soft)}.facts .aside{margin-left:.6em;font-size:14px}
    .hash{font:13px var(--mono)}
    .quotes{padding:0;margin:16px 0;list-style:none;counter-reset:q}.quotes li{counter-increment:q;\
    border-top:1px solid var(--rule);padding:14px 0 14px 40px;position:relative}
    .quotes li::before{content:counter(q);position:absolute;left:0;top:14px;font:600 19px/1.5 var(--serif);\
    color:var(--soft)}
    blockquote{margin:0;font:17px/1.55 var(--serif);max-width:44em;white-space:pre-wrap}
    mark{background:color-mix(in srgb,var(--tp) 30%,transparent);color:inherit;border-bottom:2px solid var(--tp);\
    border-radius:2px;padding:0 1px}
    .quotes .fact{display:inline-block;margin:6px 20px 0 0;font-size:14px}.quotes dt{display:inline;\
    color:var(--soft)}.quotes dd{display:inline;margin-left:6px;font-weight:600}
    .quotes dd.t{white-space:pre-wrap;background:var(--faint);border-radius:2px;box-shadow:0 0 0 2px var(--faint)}
    .many dl{columns:2;column-gap:40px}.many .fact{break-inside:avoid}
    .glossary>div{padding:12px 0;border-bottom:1px solid var(--rule);display:grid;\
    grid-template-columns:minmax(150px,240px) 1fr;gap:2px 24px;scroll-margin-top:calc(var(--contents,67px) + 14px)}
    .glossary dt{font-weight:600}.glossary p{margin:0 0 4px}
    .glossary>div:target{background:var(--faint);box-shadow:0 0 0 10px var(--faint);border-radius:2px}

    """

  private static let tables = """
    .table{margin:24px 0 10px}.tools{display:flex;flex-wrap:wrap;gap:6px 18px;align-items:baseline}
    .tools h3{margin-right:auto}.tools label{font-size:13px;color:var(--soft)}
    .tools input[type=search]{font:inherit;width:15em;max-width:60vw;color:var(--ink);background:var(--card);\
    border:1px solid var(--rule);border-radius:5px;padding:4px 8px;margin-left:6px}
    .tools output{font-size:13px;color:var(--soft);min-width:7.5em;text-align:right}
    .scroll{overflow:auto;max-height:min(56vh,500px);margin-top:10px;border-top:1.5px solid var(--ink);\
    border-bottom:1px solid var(--rule);position:relative;background:\
    linear-gradient(to right,var(--paper) 40%,transparent) 0 0/44px 100% no-repeat local,\
    linear-gradient(to left,var(--paper) 40%,transparent) 100% 0/44px 100% no-repeat local,\
    linear-gradient(to right,var(--shade),transparent) 0 0/16px 100% no-repeat,\
    linear-gradient(to left,var(--shade),transparent) 100% 0/16px 100% no-repeat,\
    linear-gradient(to top,var(--paper) 40%,transparent) 0 100%/100% 44px no-repeat local,\
    linear-gradient(to top,var(--shade),transparent) 0 100%/100% 16px no-repeat}
    table{border-collapse:separate;border-spacing:0;width:100%;font-size:13.5px;line-height:1.4}
    th,td{padding:5px 12px 5px 0;text-align:left;vertical-align:baseline;white-space:nowrap;\
    border-bottom:1px solid color-mix(in srgb,var(--rule) 65%,transparent);font-weight:400}
    td.t{white-space:normal;min-width:9em;max-width:34em}
    th:last-child,td:last-child{padding-right:6px}
    thead th{position:sticky;top:0;background:var(--paper);z-index:1;vertical-align:bottom;padding:0 12px 0 0;\
    border-bottom:1px solid var(--ink)}
    thead button{font:600 12.5px/1.3 var(--sans);color:var(--soft);background:none;border:0;padding:8px 0;margin:0;\
    cursor:pointer;text-align:inherit;white-space:nowrap;width:100%}thead button:hover{color:var(--ink)}
    thead th[aria-sort] button{color:var(--ink)}
    thead button::after{content:"";display:inline-block;width:1em;text-align:right}
    th[aria-sort=ascending] button::after{content:"↑"}th[aria-sort=descending] button::after{content:"↓"}
    .n{text-align:right}thead .n button::after{display:none}
    thead .n button::before{content:"";display:inline-block;width:1em}
    th.n[aria-sort=ascending] button::before{content:"↑ "}th.n[aria-sort=descending] button::before{content:"↓ "}
    tbody tr:hover>*{background:var(--faint)}tbody [data-on]{outline:2px solid var(--link);outline-offset:-2px}
    tbody th{color:var(--ink)}.none{color:var(--soft)}
    td.f{background:linear-gradient(color-mix(in srgb,var(--s0) 22%,transparent) 0 0) no-repeat right 12px bottom 2px/\
    calc((100% - 12px)*var(--p)) 3px}td.f:last-child{background-position:right 6px bottom 2px}
    tfoot th,tfoot td{border-top:1px solid var(--ink);border-bottom:0;font-weight:600}
    .meaning,.columns{margin:8px 0;font-size:14px;color:var(--soft)}summary{cursor:pointer}
    .columns{margin:0;font-size:13px;position:relative}.columns>div{position:absolute;right:0;top:1.9em;z-index:4;\
    width:max-content;max-width:min(30em,88vw);columns:2;background:var(--card);border:1px solid var(--rule);\
    border-radius:7px;padding:8px 12px;box-shadow:0 6px 26px rgb(0 0 0/.16)}
    .columns label{display:flex;gap:6px;align-items:baseline;break-inside:avoid;padding:2px 0}
    .meaning dl{margin:8px 0 16px;columns:2;column-gap:36px}.meaning dl div{break-inside:avoid;padding:3px 0}
    .meaning dt{display:inline;font-weight:600;color:var(--ink)}.meaning dd{display:inline;margin-left:6px}

    """

  private static let plots = """
    .pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 24px}
    figure{margin:24px 0 12px}figure .why{cursor:help}
    figcaption{font-size:14px;color:var(--soft);max-width:52em;margin-top:6px}
    .panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,230px),1fr));gap:14px 16px;\
    margin-top:10px}.panel{min-width:0}.panel-note{margin:0;font-size:12.5px;color:var(--soft)}
    .panel .wide,.panel .narrow{margin-top:10px}
    svg{display:block;width:100%;height:auto;overflow:visible}svg.narrow{display:none}
    svg text{font:12px var(--sans);fill:var(--soft);font-variant-numeric:tabular-nums lining-nums}
    svg .end{text-anchor:end}svg .mid{text-anchor:middle}svg .name{font-weight:600}
    svg .bar,svg .val{font-size:12.5px;fill:var(--ink)}
    svg .flag{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}
    .grid,.axis,.ref{fill:none;stroke:var(--rule);stroke-width:1;shape-rendering:crispEdges}
    .axis{stroke:var(--soft)}.ref{stroke:var(--ink);stroke-dasharray:3 3}
    .band{fill:var(--soft);opacity:.13}.m,.k{fill:var(--c)}path.line{fill:none;stroke:var(--c);stroke-width:1.8;\
    stroke-linejoin:round}path.m{stroke:var(--paper);stroke-width:.8}
    .m:hover,.m[data-on]{stroke:var(--ink);stroke-width:1.6}
    .legend{display:flex;flex-wrap:wrap;gap:3px 18px;list-style:none;margin:10px 0 0;padding:0;font-size:13.5px}
    .legend button{display:flex;align-items:center;gap:7px;font:inherit;color:inherit;background:none;border:0;\
    padding:0;cursor:pointer}.legend button[aria-pressed=false]{text-decoration:line-through;color:var(--soft)}
    .h{fill:color-mix(in oklab,var(--hot) var(--h),var(--cold))}.m.h{stroke:var(--rule);stroke-width:1}
    svg .cell{fill:var(--ink);pointer-events:none}svg.key{width:16px;height:12px;flex:none}

    """

  private static let adaptation = """
    @media (max-width:900px){.pair{display:block}.many dl{columns:1}svg.wide{display:none}svg.narrow{display:block;max-width:520px;margin:10px auto 0}}
    @media (max-width:760px){.page{padding:0 16px 48px}h2{font-size:22px}nav{position:static}
    .glossary>div,.facts .fact:has(.hash){grid-template-columns:1fr}\
    .facts .fact:not(:has(.hash)){grid-template-columns:minmax(0,42%) 1fr;gap:2px 14px}\
    .facts .aside{display:block;margin:0}
    .figures dd:not(.below){font-size:24px}.figures{gap:16px 20px}.meaning dl,.columns>div{columns:1}.scroll{max-height:70vh}
    .tools h3{width:100%}.tools output{text-align:left}.verdict{padding:14px 16px}tbody th{white-space:normal;\
    min-width:13em}}
    @media screen and (min-width:1240px){.broad{margin-left:-100px;margin-right:-100px}}
    @media (min-width:761px){wbr{display:none}tbody th,thead th:first-child,tfoot th{position:sticky;left:0;background:var(--paper)}
    thead th:first-child{z-index:2}}
    @media print{wbr{display:inline}:root{color-scheme:light!important;--paper:#fff}@page{margin:14mm}@page broad{size:A4 landscape;margin:10mm}body{font-size:10pt}.page{max-width:none;padding:0}
    #theme,nav,.tools label,.tools output,#tip,.meaning,.columns,.skip,.fold>summary::after{display:none!important}
    .scroll{max-height:none;overflow:visible}table{font-size:7.2pt}th,td{padding:2pt 6pt 2pt 0;overflow-wrap:normal;\
    position:static!important}td.t{white-space:normal}.broad{page:broad}.broad table{font-size:5.6pt}
    .broad th,.broad td{padding-right:4pt}.broad thead button{font-size:5.6pt}thead button{font-size:7.2pt;padding:2pt 0;white-space:normal}thead{display:table-header-group}tfoot{display:table-row-group}
    .facts .fact,.glossary>div{grid-template-columns:140pt 1fr}.facts .aside{display:inline;margin-left:.6em}
    tr,.panel,.verdict,.fact,.quotes li,figure{break-inside:avoid}.panels{grid-template-columns:repeat(3,1fr);gap:12pt}
    svg.wide{display:block}svg.narrow{display:none}h2,h3,h4{break-after:avoid}td.t{min-width:0}.m,.band,.verdict,mark,td.f,.badge{print-color-adjust:exact;\
    -webkit-print-color-adjust:exact}figure:has(.panels){break-inside:auto}}
    """
}
