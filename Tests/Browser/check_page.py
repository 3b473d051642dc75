#!/usr/bin/env python3
"""Opens a page of tritsmith in a headless Chromium and uses it as a reader would.

    check_page.py PAGE [--marks PLOT=COUNT ...] [--least-marks PLOT=COUNT ...] [--most-screens COUNT]

Exit 0 when all holds, 1 with a line for each thing that does not, 77 when there is no browser.
"""

import argparse
import sys

import browser

STRUCTURE = """(() => {
  const found = [], ids = new Set();
  for (const element of document.querySelectorAll('[id]')) {
    if (ids.has(element.id)) found.push('id twice: ' + element.id);
    ids.add(element.id);
  }
  for (const link of document.querySelectorAll('a[href]')) {
    const target = link.getAttribute('href');
    if (!target.startsWith('#') || !document.getElementById(target.slice(1))) found.push('link to ' + target);
  }
  const scripts = document.querySelectorAll('script').length;
  if (scripts !== 1) found.push(scripts + ' scripts');
  for (const name of ['img', 'iframe', 'object', 'embed', 'link', 'audio', 'video', 'form', 'base', 'image', 'use'])
    if (document.querySelector(name)) found.push('a ' + name + ' element');
  for (const element of document.querySelectorAll('*'))
    for (const attribute of element.attributes)
      if (/^on/i.test(attribute.name)) found.push(attribute.name + ' on ' + element.tagName);
  for (const why of document.querySelectorAll('.why')) {
    if (!why.getAttribute('aria-description')) found.push('no explanation: ' + why.textContent);
    if (why.tabIndex < 0) found.push('cannot be focused: ' + why.textContent);
  }
  if (window.hacked) found.push('a name ran as a script');
  return found;
})()"""

LAYOUT = """(() => {
  const found = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push('the page is ' + document.documentElement.scrollWidth + ' wide');
  for (const element of document.querySelectorAll('main *, header *, footer *')) {
    if (element.closest('.scroll') && !element.classList.contains('scroll')) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > width + 1 || box.left < -1) && !element.classList.contains('skip'))
      found.push(element.tagName + ' "' + element.textContent.slice(0, 40) + '" reaches from ' + box.left + ' to ' + box.right);
  }
  for (const svg of document.querySelectorAll('figure svg')) {
    const frame = svg.getBoundingClientRect();
    if (!frame.width) continue;
    for (const part of svg.querySelectorAll('.m, text')) {
      const box = part.getBoundingClientRect();
      if (box.left < frame.left - 6 || box.right > frame.right + 6 || box.top < frame.top - 6 || box.bottom > frame.bottom + 6)
        found.push('outside its drawing: ' + (part.textContent || part.getAttribute('d')));
    }
    const size = parseFloat(getComputedStyle(svg.querySelector('text') || svg).fontSize) * frame.width / svg.viewBox.baseVal.width;
    if (svg.querySelector('text') && size < 9.5) found.push('text of ' + size.toFixed(1) + ' px in ' + svg.getAttribute('aria-label'));
  }
  return found.slice(0, 8);
})()"""

# WCAG 2.2: contrast of text and its ground, at least 4.5, large text 3; marks of plots at least 3 against the page,
# but for the grey of zero, which stands between two others, and cells of heat maps: their least is near the ground.
CONTRAST = """(() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const pixel = colors => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) { context.fillStyle = color; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const grounds = element => {
    const colors = [];
    for (let at = element; at; at = at.parentElement) colors.unshift(getComputedStyle(at).backgroundColor);
    return colors;
  };
  const found = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest('script, style, title')) continue;
    const style = getComputedStyle(element), isDrawn = element instanceof SVGElement;
    const color = isDrawn ? style.fill : style.color, ground = grounds(element.closest('figure') || element);
    const value = ratio(pixel([...ground, color]), pixel(ground));
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    if (value < (large ? 3 : 4.5)) found.add(element.tagName + '.' + element.getAttribute('class') + ' has contrast ' + value.toFixed(2));
  }
  for (const mark of document.querySelectorAll('figure .m')) {
    if (mark.closest('.tz') || mark.matches('.h') || !mark.getClientRects().length) continue;
    const ground = grounds(mark.closest('figure'));
    const value = ratio(pixel([getComputedStyle(mark).fill]), pixel(ground));
    if (value < 3) found.add('mark of ' + mark.closest('g').getAttribute('class') + ' has contrast ' + value.toFixed(2));
  }
  return [...found];
})()"""

SORTING = """(() => {
  const found = [];
  const check = (table, index, down) => {
    const values = [...table.tBodies[0].rows].map(row => row.cells[index]).map(cell =>
      cell.classList.contains('none') ? null : cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v));
    const gone = value => value === null || value !== value;
    const first = values.findIndex(gone), known = first < 0 ? values : values.slice(0, first);
    if (first >= 0 && !values.slice(first).every(gone)) return 'missing values are not last';
    for (let i = 1; i < known.length; i++) {
      const [a, b] = down ? [known[i], known[i - 1]] : [known[i - 1], known[i]];
      const right = typeof a === 'number' && typeof b === 'number' ? a <= b
        : String(a).localeCompare(String(b), 'en', { numeric: true }) <= 0;
      if (!right) return known[i - 1] + ' stands before ' + known[i];
    }
    return null;
  };
  let sorted = 0;
  for (const table of document.querySelectorAll('.table table')) {
    const heads = [...table.tHead.rows[0].cells], rows = table.tBodies[0].rows.length;
    heads.forEach((head, index) => {
      for (let time = 0; time < 2; time++) {
        head.querySelector('button').click();
        const state = head.getAttribute('aria-sort');
        if (!['ascending', 'descending'].includes(state)) { found.push('no aria-sort'); continue; }
        const fault = check(table, index, state === 'descending');
        if (fault) found.push(head.textContent + ', ' + state + ': ' + fault);
        sorted += 1;
      }
    });
    if (heads.filter(head => head.hasAttribute('aria-sort')).length !== 1) found.push('several columns sorted');
    if (table.tBodies[0].rows.length !== rows) found.push('rows lost');
  }
  return [found.slice(0, 8), sorted];
})()"""

FILTERING = """(() => {
  const found = [];
  for (const box of document.querySelectorAll('.table')) {
    const input = box.querySelector('input[type=search]');
    if (!input) continue;
    const rows = [...box.querySelector('tbody').rows], word = rows[0].cells[0].textContent;
    const visible = text => {
      input.value = text; input.dispatchEvent(new Event('input'));
      return rows.filter(row => row.getClientRects().length);
    };
    const expected = rows.filter(row => row.textContent.toLowerCase().includes(word.toLowerCase())).length;
    if (!/\\s/.test(word) && visible(word).length !== expected) found.push('filter for ' + word);
    if (visible('no such row \\u0001').length !== 0) found.push('a filter that matches nothing shows rows');
    if (visible('').length !== rows.length) found.push('an empty filter hides rows');
  }
  return found;
})()"""

# Ten columns at most until more are chosen; legends hide and show; links open what is folded; contents stick.
READING = """(() => {
  const found = [];
  for (const table of document.querySelectorAll('.table table')) {
    const shown = () => [...table.tHead.rows[0].cells].filter(cell => getComputedStyle(cell).display !== 'none').length;
    const before = shown(), all = table.tHead.rows[0].cells.length;
    if (before > 10) found.push(before + ' columns at once');
    const boxes = [...table.closest('.table').querySelectorAll('.columns input')];
    if ((all > 10) !== (boxes.length > 0)) found.push('no choice among ' + all + ' columns');
    boxes.filter(box => !box.checked).forEach(box => box.click());
    if (boxes.length && shown() !== all) found.push('chosen columns do not appear');
  }
  for (const button of document.querySelectorAll('.legend button')) {
    const figure = button.closest('figure'), slot = button.querySelector('svg').classList[1];
    const marks = () => [...figure.querySelectorAll('.panel .' + slot)].filter(mark => getComputedStyle(mark).display !== 'none').length;
    const before = marks();
    button.click();
    if (!before || marks() !== 0 || button.getAttribute('aria-pressed') !== 'false') found.push('legend hides nothing: ' + button.textContent);
    button.click();
    if (marks() !== before) found.push('legend does not show again: ' + button.textContent);
  }
  const link = document.querySelector('a.why[href^="#def-"]');
  if (link) {
    document.getElementById('definitions').open = false;
    link.click();
    if (!document.querySelector(link.getAttribute('href')).closest('details').open) found.push('a link leads into a folded section');
  }
  const nav = document.querySelector('nav');
  if (nav) {
    scrollTo(0, 1500);
    if (scrollY > 1000 && Math.abs(nav.getBoundingClientRect().top) > 1) found.push('contents do not stick');
  }
  return found;
})()"""

SCREEN = 800  # Pixels of a laptop's window.

TIP = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent"


class Check:
    def __init__(self, tab, page):
        self.tab, self.page, self.faults = tab, page, []

    def expect(self, holds, what):
        if not holds:
            self.faults.append(what)

    def open(self, width, theme="light", phone=False):
        self.tab.open(self.page, width, theme=theme, mobile=phone, touch=phone)
        label = f"{width} px, {theme}"
        self.expect(self.tab.evaluate("'ready' in document.documentElement.dataset"), f"{label}: the script did not run")
        return label

    def unfold(self):
        """Opens all sections, so that everything is looked at."""
        self.tab.evaluate("document.querySelectorAll('.fold').forEach(section => { section.open = true; })")

    def close(self, label):
        for complaint in self.tab.complaints():
            self.faults.append(f"{label}: console: {complaint}")
        for url in self.tab.requests():
            self.expect(url.startswith("file://") and url.endswith(".html"), f"{label}: asked for {url}")

    def all(self, label, script):
        self.faults += [f"{label}: {fault}" for fault in self.tab.evaluate(script)]

    def marks(self, exact, least):
        script = ("(() => { const plot = document.getElementById('plot-' + %r); if (!plot) return -1;"
                  "return plot.querySelectorAll('svg.wide .m, svg.multiple .m').length; })()")
        for wanted, fits in [(exact, lambda a, b: a == b), (least, lambda a, b: a >= b)]:
            for text in wanted:
                key, count = text.rsplit("=", 1)
                found = self.tab.evaluate(script % key)
                self.expect(fits(found, int(count)), f"plot {key} has {found} marks, not {count}")
        self.all("marks", """[...document.querySelectorAll('figure .m')].filter(mark =>
          !(mark.querySelector('title') || {}).textContent).map(() => 'a mark tells nothing').slice(0, 1)""")

    def center(self, selector):
        return self.tab.evaluate(
            "(() => { const e = [...document.querySelectorAll(%r)].find(e => e.getClientRects().length);"
            "if (!e) return null; e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()" % selector)

    def tip_of(self, action, what):
        action()
        self.expect(self.tab.evaluate(f"new Promise(r => requestAnimationFrame(() => r({TIP})))"), f"{what}: no remark")

    def nearest(self):
        """Beside a mark of a line, the mark answers."""
        place = self.center("figure .panel svg:has(path.line) path.m")
        if place:
            self.tab.move(1, 1)
            self.tip_of(lambda: self.tab.move(place[0] + 9, place[1] + 9), "pointing beside a mark")

    def remarks(self):
        for selector in ["figure svg .m", ".facts .why, .figures .why", "tbody td.n", "thead button.why"]:
            place = self.center(selector)
            if place:
                self.tab.move(1, 1)
                self.tip_of(lambda: self.tab.move(*place), f"pointing at {selector}")
        self.all("focus", """(() => { const found = [], tip = document.getElementById('tip');
          for (const why of document.querySelectorAll('.why')) {
            if (!why.getClientRects().length) continue;
            why.focus();
            if (tip.hidden || !tip.textContent) found.push('focus shows nothing: ' + why.textContent);
          }
          return found; })()""")
        settle = "; new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"  # Focusing scrolls.
        first = "[...document.querySelectorAll('.why')].find(why => why.getClientRects().length)"
        self.tab.evaluate(f"{first}.scrollIntoView(); document.activeElement.blur()" + settle)
        self.tip_of(lambda: self.tab.evaluate(f"{first}.focus()"), "focus")
        self.tab.press("Escape")
        self.expect(self.tab.evaluate(TIP) == "", "Escape does not close the remark")
        self.tab.evaluate("(document.querySelector('figure svg.wide, figure svg.multiple') || document.body).focus()" + settle)
        if self.tab.evaluate("document.activeElement.tagName") == "svg":
            self.tip_of(lambda: self.tab.press("ArrowRight"), "arrow keys in a plot")
        self.tab.evaluate("(document.querySelector('.scroll') || document.body).focus()" + settle)
        if self.tab.evaluate("document.activeElement.className") == "scroll":
            self.tip_of(lambda: self.tab.press("ArrowDown"), "arrow keys in a table")

    def tap(self):
        place = self.center("a.why")
        if place:
            self.tip_of(lambda: self.tab.tap(*place), "a tap")
            self.expect(self.tab.evaluate("location.hash") == "", "the first tap leaves for the definition")

    def theme(self, label):
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        before = self.tab.evaluate(ground)
        self.tab.evaluate("document.getElementById('theme').click()")
        self.expect(self.tab.evaluate(ground) != before, f"{label}: the theme button changes nothing")
        self.tab.evaluate("document.getElementById('theme').click()")
        self.expect(self.tab.evaluate(ground) == before, f"{label}: the theme button does not go back")
        return before


def run(tab, page, exact, least, screens):
    check = Check(tab, page)
    grounds = []
    for theme in ["light", "dark"]:
        label = check.open(1280, theme)
        check.unfold()
        check.all(label, STRUCTURE)
        check.all(label, LAYOUT)
        check.all(label, CONTRAST)
        grounds.append(check.theme(label))
        check.close(label)
    check.expect(grounds[0] != grounds[1], "dark looks like light")
    label = check.open(1280)
    height = tab.evaluate("document.documentElement.scrollHeight") / SCREEN
    check.expect(not screens or height <= screens, f"{height:.1f} screens of {SCREEN} px, more than {screens}")
    check.unfold()
    check.marks(exact, least)
    check.remarks()
    check.nearest()
    faults, sorted_columns = tab.evaluate(SORTING)
    check.faults += faults
    check.all("filter", FILTERING)
    check.all("reading", READING)
    check.close(label)
    for width in [360, 768]:
        label = check.open(width, phone=True)
        check.unfold()
        check.all(label, LAYOUT)
        check.tap()
        check.close(label)
    figures = tab.evaluate("document.querySelectorAll('figure').length")
    return check.faults, f"{figures} plots, {sorted_columns} sorts, {height:.1f} screens"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page")
    parser.add_argument("--marks", action="append", default=[], metavar="PLOT=COUNT")
    parser.add_argument("--least-marks", action="append", default=[], metavar="PLOT=COUNT")
    parser.add_argument("--most-screens", type=float, metavar="COUNT")
    options = parser.parse_args()
    program = browser.find()
    if not program:
        print("no browser")
        return 77
    with browser.Browser(program) as tab:
        faults, summary = run(tab, options.page, options.marks, options.least_marks, options.most_screens)
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"{summary}, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
