#!/usr/bin/env bash
# What: words that are set apart by their places run together where the font has some other glyph
# at code 32: its width is taken for the space's.
# Versions: pypdf 7.1.0, pypdfium2 5.15.2.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: space_width is used "if not extracted from font", and a font whose encoding has no
# space has none to extract (ISO 32000-1, 9.6.6.2). TeX's fonts are such.
# Seen: with M at code 32 a gap of 333, wider than Helvetica's space, is none; with the same
# glyphs from code 33 on it is one. PDFium finds it in both.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check pypdf==7.1.0 pypdfium2==5.15.2

"$place/bin/python" - <<'PROGRAM'
import io
import sys

import pypdf
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


WIDTHS = {"M": 833, "i": 222, "n": 556, "o": 556, "r": 333}


def page(first):
    """Words by gaps of 333, in a font whose letters have the codes from the first on."""
    codes = {letter: first + place for place, letter in enumerate(WIDTHS)}
    words = ["".join(f"{codes[letter]:02x}" for letter in word) for word in ("Miro", "iron", "Mini")]
    names, widths = " ".join(f"/{name}" for name in WIDTHS), " ".join(map(str, WIDTHS.values()))
    return pdf(
        f"BT /F1 12 Tf 72 720 Td [<{'> -333 <'.join(words)}>] TJ ET",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar {first}"
        f" /LastChar {first + 4} /Widths [{widths}] /FontDescriptor 6 0 R"
        f" /Encoding << /Type /Encoding /Differences [{first} {names}] >> >>",
        "<< /Type /FontDescriptor /FontName /Helvetica /Flags 32 /FontBBox [-166 -225 1000 931]"
        " /ItalicAngle 0 /Ascent 718 /Descent -207 /CapHeight 718 /StemV 88 >>",
    )


print("pypdf", pypdf.__version__, "pypdfium2", pypdfium2.version.PYPDFIUM_INFO)
found = {}
for first in (32, 33):
    data = page(first)
    other = pypdfium2.PdfDocument(data)[0].get_textpage().get_text_bounded()
    found[first] = pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text(), other
    print("codes from", first, "->", found[first])
seen = found == {32: ("MiroironMini", "Miro iron Mini"), 33: ("Miro iron Mini",) * 2}
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
