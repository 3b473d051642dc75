#!/usr/bin/env python3
"""Pictures of a page to look at: both themes, a desk and a phone, and the print as PDF.

    shoot.py PAGE FOLDER
"""

import os
import sys

import browser


def main(page, folder):
    program = browser.find()
    if not program:
        sys.exit("no browser found")
    os.makedirs(folder, exist_ok=True)
    name = os.path.splitext(os.path.basename(page))[0]
    with browser.Browser(program) as tab:
        for theme in ["light", "dark"]:
            for kind, width in [("desk", 1280), ("phone", 360)]:
                tab.open(page, width, theme=theme, mobile=kind == "phone", touch=kind == "phone")
                tab.screenshot(os.path.join(folder, f"{name}-{kind}-{theme}.png"))
        tab.open(page, 1280)
        tab.pdf(os.path.join(folder, f"{name}.pdf"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
