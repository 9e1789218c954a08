#!/usr/bin/env bash
# What: a hyphen at the end of a line, and the line's end, become one character that is neither:
# U+FFFE by one method, U+0002 by the other.
# Versions: pypdfium2 5.15.2.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: get_text_range and get_text_bounded give the text of a page. U+FFFE is a
# noncharacter, not meant for interchange (Unicode, section 23.7), U+0002 a control character.
# Seen: `a rail-` above `way is here` is read as `a rail`, that character, `way is here`; a hyphen
# within a line stays one, and the line's end is CR LF then.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check pypdfium2==5.15.2

"$place/bin/python" - <<'PROGRAM'
import sys

import pypdfium2


def pdf(stream, *fonts):
    """A PDF with a page for a content stream, by the book (ISO 32000-1, 7.5)."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream.encode()),
        *(font.encode() for font in fonts),
    ]
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count, start = len(objects) + 1, len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table)
    return data + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)


HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"

print("pypdfium2", pypdfium2.version.PYPDFIUM_INFO)
lines = pdf("BT /F1 12 Tf 72 720 Td (a rail-) Tj 0 -14 Td (way is here) Tj ET", HELVETICA)
within = pdf("BT /F1 12 Tf 72 720 Td (a rail-way) Tj 0 -14 Td (is here) Tj ET", HELVETICA)
found = []
for data in (lines, within):
    text = pypdfium2.PdfDocument(data)[0].get_textpage()
    found.append((text.get_text_range(), text.get_text_bounded()))
    print("get_text_range", ascii(found[-1][0]), "get_text_bounded", ascii(found[-1][1]))
seen = found == [
    ("a rail\ufffeway is here", "a rail\x02way is here"),
    ("a rail-way\r\nis here",) * 2,
]
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
