#!/usr/bin/env bash
# What: BM25 counts deleted documents, so a document that was written again ranks lower.
# Versions: tantivy 0.27.0 (tantivy-py).
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: a search ranks by BM25; deleted documents are in no answer. What they still count
# in is not said there.
# Seen: two indexes hold the same 121 documents. In one of them, one document was written 60 times
# more by delete_documents_by_term and add_document. Its only rare word is then counted in 61
# documents, and it falls from the first place to the last.
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


def search(writes):
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")
    builder.add_text_field("body")
    index = tantivy.Index(builder.build())
    writer = index.writer(15_000_000, 1)

    def write(id, body):
        writer.delete_documents_by_term("id", id)
        document = tantivy.Document()
        document.add_text("id", id)
        document.add_text("body", body)
        writer.add_document(document)

    for number in range(20):
        write(f"usual {number}", "usual word here")
    for number in range(100):
        write(f"other {number}", "other thing here")
    for _ in range(writes):
        write("rare", "rare word here")
    writer.commit()
    index.reload()
    searcher = index.searcher()
    hits = searcher.search(index.parse_query("rare usual", ["body"]), 30).hits
    ranked = [(searcher.doc(place)["id"][0], round(score, 4)) for score, place in hits]
    own = next(rank for rank, (id, _) in enumerate(ranked, 1) if id == "rare")
    frequency = searcher.doc_freq("body", "rare")
    print(
        f"written {writes} times: {searcher.num_docs} documents, document frequency {frequency},"
        f" place {own} of {len(ranked)}, scores {ranked[0]} ... {ranked[-1]}"
    )
    return searcher.num_docs, frequency, own


print(tantivy.__version__)
seen = search(1) == (121, 1, 1) and search(61) == (121, 61, 21)
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
