#!/usr/bin/env bash
# What: in a line that begins with Latin, the letters of Hebrew words come in reading order but
# the words in that of their places: of two words the second comes first.
# Versions: pypdfium2 5.15.2.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: get_text_bounded gives the text of a page, in which a run from right to left is
# one run (Unicode Bidirectional Algorithm, UAX #9, rule L2), whatever stands before it.
# Seen: `shalom olam` is read in order where it stands alone, with a number or one Latin word in
# it, and as `olam shalom` behind `ABC DEF`.
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


NAMES = " ".join(f"/afii{57664 + number}" for number in range(27))
FONT = (
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica"
    f" /Encoding << /Type /Encoding /Differences [97 {NAMES}] >> >>"
)
SHALOM, OLAM = "\u05e9\u05dc\u05d5\u05dd", "\u05e2\u05d5\u05dc\u05dd"


def read(*drawn):
    """What is read of words that are drawn from left to right, each as it looks."""
    codes = " ".join(
        "".join(chr(ord(letter) - 0x5D0 + 97) for letter in word[::-1]) if word > "\u0590" else word
        for word in drawn
    )
    data = pdf(f"BT /F1 12 Tf 72 720 Td ({codes}) Tj ET", FONT)
    text = pypdfium2.PdfDocument(data)[0].get_textpage().get_text_bounded()
    print([ascii(word) for word in text.split()])
    return text.split()


print("pypdfium2", pypdfium2.version.PYPDFIUM_INFO)
alone, number = read(OLAM, SHALOM), read(OLAM, "42", SHALOM)
behind = read("ABC", "DEF", OLAM, SHALOM)
seen = (
    alone == [SHALOM, OLAM]
    and number == [SHALOM, "42", OLAM]
    and behind == ["ABC", "DEF", OLAM, SHALOM]  # read from the right, it is SHALOM, OLAM
)
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
