"""PDF files made up for tests."""

from __future__ import annotations

import ctypes
import io

import pypdfium2
from pypdfium2 import raw


def page_content(text: str) -> bytes:
    """A page's content stream that shows a line of text."""
    return f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()


def make_pdf(*streams: bytes, filter: str = "", info: str = "", font: str = "") -> bytes:
    """A PDF with a page for each content stream, written by the book (ISO 32000-1, 7.5).

    ``font`` adds to what is said of the font, which is Helvetica.
    """
    pages = range(4, 4 + 2 * len(streams), 2)
    kids = " ".join(f"{page} 0 R" for page in pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica {font} >>".encode(),
    ]
    for page, stream in zip(pages, streams, strict=True):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {page + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        head = f"<< /Length {len(stream)} {filter} >>\nstream\n".encode()
        objects.append(head + stream + b"\nendstream")
    objects.append(f"<< {info} >>".encode())
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n"
    return (
        data
        + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
        + table
        + trailer.encode()
        + f"startxref\n{len(data)}\n%%EOF\n".encode()
    )


def scanned(data: bytes, printed: str = "") -> bytes:
    """The PDF as a scanner makes it: each page a picture at 200 dots to the inch, and a stamp."""
    made = pypdfium2.PdfDocument.new()
    for page in pypdfium2.PdfDocument(io.BytesIO(data)):
        _add_picture(made, page.render(scale=200 / 72), page.get_size(), printed)
    return _saved(made)


def joined(*parts: bytes) -> bytes:
    """One PDF with all pages of several."""
    made = pypdfium2.PdfDocument.new()
    for part in parts:
        made.import_pages(pypdfium2.PdfDocument(io.BytesIO(part)))
    return _saved(made)


def _add_picture(
    made: pypdfium2.PdfDocument,
    bitmap: pypdfium2.PdfBitmap,
    size: tuple[float, float],
    printed: str,
) -> None:
    page = made.new_page(*size)
    picture = pypdfium2.PdfImage.new(made)
    picture.set_bitmap(bitmap)
    picture.set_matrix(pypdfium2.PdfMatrix().scale(*size))
    page.insert_obj(picture)
    if printed:
        text = raw.FPDFPageObj_NewTextObj(made, b"Helvetica", 12)
        encoded = (printed + "\0").encode("utf-16-le")
        raw.FPDFText_SetText(text, ctypes.cast(encoded, raw.FPDF_WIDESTRING))
        raw.FPDFPageObj_Transform(text, 1, 0, 0, 1, 50, 50)
        raw.FPDFPage_InsertObject(page, text)
    page.gen_content()


def _saved(made: pypdfium2.PdfDocument) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()
