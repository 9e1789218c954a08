#!/usr/bin/env bash
# What: a tokenizer that was called with padding or truncation writes that call's settings into
# tokenizer.json when it is saved, so the file of one tokenizer has as many contents as it had
# uses.
# Versions: transformers 5.23.0, tokenizers 0.23.3.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: padding and truncation are arguments of a call; save_pretrained saves the
# tokenizer.
# Seen: padding and truncation in tokenizer.json are null before the call, and after it those of
# the call, max_length 7 among them.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3

"$place/bin/python" - <<'PROGRAM'
import json
import sys
import tempfile
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

print("transformers", transformers.__version__, "tokenizers", tokenizers.__version__)
inner = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "word": 2}, unk_token="[UNK]"))
inner.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]")


def saved():
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        written = json.loads((Path(folder) / "tokenizer.json").read_text())
    print("padding", written["padding"], "truncation", written["truncation"])
    return written["padding"], written["truncation"]


before = saved()
tokenizer(["word", "word word"], padding=True, truncation=True, max_length=7)
padding, truncation = saved()
seen = before == (None, None) and padding and truncation and truncation["max_length"] == 7
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
