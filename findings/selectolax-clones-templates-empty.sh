#!/usr/bin/env bash
# What: a copy of a `<template>`, and of a page that has one, is without the template's content.
# Versions: selectolax 1.0.2.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: clone() gives a copy, for "temporary modifications without affecting the original
# HTML tree", of a page as "a deep-copied document". A clone of a template has its content too
# (HTML, section 4.12.3, the cloning steps).
# Seen: clone() of the node, clone() of the page, and insert_child of the node elsewhere, which
# copies it, give `<template></template>`; nothing is said.
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
page = LexborHTMLParser("<template><p>held</p></template><div><p>shown</p></div>")
template, div = page.css_first("template"), page.css_first("div")
copies = [template.clone().html, page.clone().css_first("template").html]
print("div", div.html, "-> clone", div.clone().html)
is_div_whole = div.clone().html == div.html
div.insert_child(template)
copies.append(div.css_first("template").html)
print("template", template.html, "-> copies", copies)
seen = (
    template.html == "<template><p>held</p></template>"
    and copies == ["<template></template>"] * 3
    and is_div_whole
)
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
