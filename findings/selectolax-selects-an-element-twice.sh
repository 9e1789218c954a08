#!/usr/bin/env bash
# What: a list of selectors gives an element once for each selector that matches it, not once.
# Versions: selectolax 1.0.2.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: css() gives the nodes that match. A selector list matches an element that any of
# its selectors matches (Selectors Level 4, section 4.1), and querySelectorAll has each once.
# Seen: of `<main role="main">`, `main, [role=main]` gives two nodes, both the same one.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check selectolax==1.0.2

"$place/bin/python" - <<'PROGRAM'
import sys
from importlib.metadata import version

from selectolax.lexbor import LexborHTMLParser

print("selectolax", version("selectolax"))
page = LexborHTMLParser('<main role="main">text</main><p>more</p>')


def places(selector):
    found = [(node.tag, node.mem_id) for node in page.css(selector)]
    print(selector, "->", [tag for tag, _ in found], len(set(found)), "different")
    return [place for _, place in found]


both, other = places("main, [role=main]"), places("main, p")
seen = len(both) == 2 and len(set(both)) == 1 and len(set(other)) == 2
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
