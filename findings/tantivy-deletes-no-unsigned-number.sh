#!/usr/bin/env bash
# What: delete_documents_by_term deletes nothing by a number in an unsigned field, and says
# nothing.
# Versions: tantivy 0.27.0 (tantivy-py).
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: it deletes "all documents containing a given term", and raises ValueError for a
# field that is not there and an exception for a value that is not supported.
# Seen: by the number 1, one of three documents goes where the field is an integer field, none
# where it is an unsigned one; neither call raises.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check tantivy==0.27.0

"$place/bin/python" - <<'PROGRAM'
import sys

import tantivy


def remaining(kind):
    builder = tantivy.SchemaBuilder()
    getattr(builder, f"add_{kind}_field")("number", stored=True, indexed=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(15_000_000, 1)
    for number in range(3):
        document = tantivy.Document()
        getattr(document, f"add_{kind}")("number", number)
        writer.add_document(document)
    writer.commit()
    writer.delete_documents_by_term("number", 1)
    writer.commit()
    index.reload()
    left = index.searcher().num_docs
    print(f"{kind}: {left} of 3 documents are left")
    return left


print(tantivy.__version__)
seen = (remaining("integer"), remaining("unsigned")) == (2, 3)
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
