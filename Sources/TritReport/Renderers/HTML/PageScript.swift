// Tritsmith: what pages do.

/// The script of a page: theme, remarks, sorting, filtering. It reads the page and writes text, never markup, and holds
/// no data, so nothing a file says is ever part of a script.
enum PageScript {
  /// SHA-256 of `source` in Base64. The page's policy lets only this script run; `HTMLPolicyTests` recomputes it.
  static let hash = "nUcfx3l/V2mE1jcdkJBv90D86VrAlYV0ZpDovqLes/8="

  static let source = #"""
    (() => {
    'use strict';
    const root = document.documentElement, tip = document.getElementById('tip');
    const all = (selector, within) => [...(within || document).querySelectorAll(selector)];

    // Theme: the system's until the reader chooses.
    const button = document.getElementById('theme'), dark = matchMedia('(prefers-color-scheme: dark)');
    const isDark = () => (root.dataset.theme || (dark.matches ? 'dark' : 'light')) === 'dark';
    const label = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
    button.hidden = false;
    button.addEventListener('click', () => { root.dataset.theme = isDark() ? 'light' : 'dark'; label(); });
    dark.addEventListener('change', label);
    label();

    // What is jumped to stands below the contents, in as many rows as these take.
    const contents = document.querySelector('nav');
    const measure = () => {
      const sticks = contents && getComputedStyle(contents).position === 'sticky';
      root.style.setProperty('--contents', (sticks ? contents.offsetHeight : 0) + 'px');
    };
    addEventListener('resize', measure);
    measure();

    // Remarks: on hover, on focus and on a tap.
    let owner = null;
    const definition = id => id && document.getElementById(id);
    const hide = () => {
      if (owner) { owner.removeAttribute('data-on'); owner.removeAttribute('aria-describedby'); }
      owner = null; tip.hidden = true;
    };
    const titleOf = mark => {
      if (mark.dataset.tip === undefined) {
        const title = mark.querySelector('title');
        mark.dataset.tip = title ? title.textContent : '';
        if (title) title.remove();
      }
      return mark.dataset.tip;
    };
    const show = (element, head, text, target) => {
      hide();
      owner = element;
      tip.replaceChildren();
      if (head) { const bold = document.createElement('b'); bold.textContent = head; tip.append(bold); }
      tip.append(text || '');
      if (definition(target)) {
        const link = document.createElement('a');
        link.href = '#' + target; link.textContent = 'Definition'; link.tabIndex = -1;
        tip.append(document.createElement('br'), link);
      }
      element.setAttribute('data-on', '');
      tip.hidden = false;
      const box = element.getBoundingClientRect(), size = tip.getBoundingClientRect();
      const width = root.clientWidth, below = box.bottom + 8 + size.height < innerHeight;
      const left = Math.max(8, Math.min(width - size.width - 8, box.left + Math.min(box.width, 160) / 2 - size.width / 2));
      tip.style.left = left + 'px';
      tip.style.top = Math.max(8, below ? box.bottom + 8 : box.top - size.height - 8) + 'px';
    };
    const words = element => {
      const target = element.dataset.def, entry = definition(target);
      return [element.dataset.why || (entry ? entry.querySelector('dd').textContent : ''), target];
    };
    const showCell = cell => {
      const table = cell.closest('table'), head = table.tHead.rows[0].cells[cell.cellIndex];
      const control = head.querySelector('button'), [text, target] = words(control);
      const exact = cell.dataset.v && cell.dataset.v !== cell.textContent ? '\nExactly ' + cell.dataset.v : '';
      const shown = cell.title || cell.textContent;
      show(cell, control.textContent + ': ' + shown, text + exact, target);
    };
    const explain = element => {
      const mark = element.closest('svg [class~=m], svg .ref, svg .band, svg text');
      if (mark) { const text = titleOf(mark); if (text) { show(mark, '', text); return mark; } return null; }
      const cell = element.closest('tbody td');
      if (cell) { showCell(cell); return cell; }
      const fact = element.closest('.fact'), why = element.closest('.why') || (fact && fact.querySelector('.why'));
      if (!why) return null;
      const [text, target] = words(why);
      show(why, '', text, target);
      return why;
    };
    document.addEventListener('pointerover', event => {
      if (event.pointerType === 'touch' || tip.contains(event.target)) return;
      if (owner && owner.contains(event.target)) return;
      if (!explain(event.target)) hide();
    });
    document.addEventListener('focusin', event => {
      if (tip.contains(event.target)) return;
      const why = event.target.closest('.why');
      if (why) { explain(why); why.setAttribute('aria-describedby', 'tip'); } else hide();
    });
    document.addEventListener('focusout', event => { if (!tip.contains(event.relatedTarget)) hide(); });
    document.addEventListener('click', event => {
      if (tip.contains(event.target)) { setTimeout(hide); return; }
      const link = event.target.closest('a.why');
      // A tap first tells; a second one follows the link.
      if (link && event.pointerType === 'touch' && link.dataset.told === undefined) {
        event.preventDefault(); link.dataset.told = '';
      }
      if (event.pointerType === 'touch' && !explain(event.target)) hide();
    });
    addEventListener('scroll', event => { if (!tip.contains(event.target)) hide(); }, true);
    document.addEventListener('keydown', event => { if (event.key === 'Escape') hide(); });
    all('.why').forEach(element => { const [text] = words(element); if (text) element.setAttribute('aria-description', text); });

    // Marks of a drawing, one by one with the arrow keys.
    all('svg[tabindex]').forEach(svg => {
      let place = -1;
      svg.addEventListener('keydown', event => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const marks = all('.m', svg);
        if (!marks.length) return;
        place = (place + step + marks.length) % marks.length;
        marks[place].scrollIntoView({ block: 'nearest' });
        // Scrolling hides remarks; its event comes before the next frame.
        requestAnimationFrame(() => explain(marks[place]));
      });
    });

    // The nearest mark answers, so that nobody has to hit it. Along x counts most: a layer is meant.
    all('figure .panel svg').forEach(svg => {
      svg.addEventListener('pointermove', event => {
        if (event.pointerType === 'touch' || event.target.closest('.m, .ref, text')) return;
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        let best = null, least = 48;
        all('.m', svg).forEach(mark => {
          const box = mark.getBBox();
          const across = Math.max(0, box.x - at.x, at.x - box.x - box.width), along = Math.max(0, box.y - at.y, at.y - box.y - box.height);
          const away = across + along / 6;
          if (away < least && mark.getClientRects().length) { best = mark; least = away; }
        });
        if (best && best !== owner) explain(best); else if (!best) hide();
      });
    });

    // A name in a legend hides its series.
    all('.legend button').forEach(button => {
      const slot = button.querySelector('svg').classList[1], figure = button.closest('figure');
      button.setAttribute('aria-pressed', 'true');
      button.addEventListener('click', () => {
        button.setAttribute('aria-pressed', String(!figure.classList.toggle('no-' + slot)));
      });
    });

    // A link into a folded section opens it; paper shows all.
    document.addEventListener('click', event => {
      const link = event.target.closest('a[href^="#"]');
      let at = link && document.getElementById(link.getAttribute('href').slice(1));
      for (; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    });
    let folded = [];
    addEventListener('beforeprint', () => { folded = all('.fold:not([open])'); folded.forEach(section => { section.open = true; }); });
    addEventListener('afterprint', () => folded.forEach(section => { section.open = false; }));

    // Tables.
    all('.table').forEach(box => {
      const table = box.querySelector('table'), body = table.tBodies[0], rows = [...body.rows];
      const value = (row, index) => {
        const cell = row.cells[index];
        if (cell.classList.contains('none')) return null;
        return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
      };
      const compare = (a, b) => typeof a === 'number' && typeof b === 'number'
        ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
      [...table.tHead.rows[0].cells].forEach((head, index) => head.querySelector('button').addEventListener('click', () => {
        const isNumber = head.classList.contains('n'), now = head.getAttribute('aria-sort');
        const next = now === null ? (isNumber ? 'descending' : 'ascending') : now === 'ascending' ? 'descending' : 'ascending';
        [...table.tHead.rows[0].cells].forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', next);
        const sign = next === 'ascending' ? 1 : -1;
        rows.sort((first, second) => {
          const a = value(first, index), b = value(second, index);
          // What is missing goes last, whichever way.
          if (a === null || b === null || a !== a || b !== b) return (a === null || a !== a) - (b === null || b !== b);
          return sign * compare(a, b);
        });
        body.append(...rows);
      }));
      // Columns beyond the tenth wait until they are chosen.
      const heads = [...table.tHead.rows[0].cells], most = 10;
      if (heads.length > most) {
        const chooser = document.createElement('details'), summary = document.createElement('summary');
        const list = document.createElement('div');
        const tell = () => {
          const shown = heads.filter((_, index) => !table.classList.contains('o' + (index + 1))).length;
          summary.textContent = shown + ' of ' + heads.length + ' columns';
        };
        chooser.className = 'columns';
        heads.forEach((head, index) => {
          if (index === 0) return;
          const label = document.createElement('label'), input = document.createElement('input');
          input.type = 'checkbox';
          input.checked = index < most;
          const turn = () => { table.classList.toggle('o' + (index + 1), !input.checked); tell(); };
          input.addEventListener('change', turn);
          turn();
          label.append(input, head.querySelector('button').textContent);
          list.append(label);
        });
        chooser.append(summary, list);
        box.querySelector('.tools').append(chooser);
      }
      const filter = box.querySelector('input[type=search]'), count = box.querySelector('output');
      if (filter) {
        filter.closest('label').hidden = false;
        filter.addEventListener('input', () => {
          const parts = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
          let shown = 0;
          rows.forEach(row => {
            const text = row.textContent.toLowerCase();
            row.hidden = !parts.every(part => text.includes(part));
            if (!row.hidden) shown += 1;
          });
          count.textContent = shown === rows.length ? rows.length + ' rows' : shown + ' of ' + rows.length + ' rows';
        });
      }
      const scroll = box.querySelector('.scroll');
      let cell = null;
      scroll.addEventListener('keydown', event => {
        const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
        const step = steps[event.key], visible = [...body.rows].filter(row => !row.hidden);
        if (!step || event.target !== scroll || !visible.length) return;
        event.preventDefault();
        const row = cell && cell.isConnected ? visible.indexOf(cell.parentElement) : -1, start = row < 0;
        const y = start ? 0 : Math.max(0, Math.min(visible.length - 1, row + step[0]));
        const shown = [...visible[y].cells].filter(other => other.getClientRects().length);
        const now = start ? 0 : shown.findIndex(other => other.cellIndex === cell.cellIndex);
        cell = shown[Math.min(Math.max(1, now + step[1]), shown.length - 1)];
        cell.scrollIntoView({ block: 'nearest', inline: 'nearest' });
        requestAnimationFrame(() => { if (cell.tagName === 'TD') showCell(cell); });
      });
    });
    root.dataset.ready = '';
    })();
    """#
}
