#!/usr/bin/env bash
# What: a part of an image that is made smaller by `resize(size, box=part)` differs from the same
# part of the image made smaller as a whole, by several levels in places. The result is what one
# gets by scaling columns before rows; with other sizes, rows come first. In all trials columns
# came first where the height of the whole image less that of the result was more than twice the
# same of widths, so that a part is scaled in another order than its whole.
# Versions: Pillow 13.0.0; with 12.3.0 the two differ by rounding of single places alone.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: box is "the source image region to be scaled"; of an order they say nothing.
# Seen: places that differ, and by how much at most, of an image of 383 x 640 made smaller to
# 256 x 427, of which the middle 224 rows are kept.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat > "$place/program.py" <<'PROGRAM'
import random
import sys

import PIL
from PIL import Image, ImageChops

random.seed(1)
image = Image.frombytes("L", (383, 640), random.randbytes(383 * 640))
scale = 640 / 427
whole = image.resize((256, 427), Image.Resampling.BICUBIC).crop((0, 101, 256, 325))
box = (0, 101 * scale, 383, 325 * scale)
part = image.resize((256, 224), Image.Resampling.BICUBIC, box=box)
counts = ImageChops.difference(whole, part).histogram()
share = 1 - counts[0] / sum(counts)
most = max(level for level, count in enumerate(counts) if count)
print(f"Pillow {PIL.__version__}: {share:.4f} of the places differ, by {most} at most")
print("another" if share > 0.1 and most > 1 else "the same", file=sys.stderr)
PROGRAM

for version in 12.3.0 13.0.0; do
  python3 -m venv "$place/$version"
  "$place/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version"
  "$place/$version/bin/python" "$place/program.py" 2>> "$place/seen"
done
[ "$(paste -sd, "$place/seen")" = "the same,another" ] || { echo "it is no longer as it was seen"; exit 1; }
