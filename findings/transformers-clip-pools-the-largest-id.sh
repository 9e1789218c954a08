#!/usr/bin/env bash
# What: a CLIP text model whose configuration says that the end of a text is token 2 takes the
# vector at the token with the largest id instead of that at the end. Attention looks back only, so
# texts that differ behind their largest id have one vector.
# Versions: transformers 5.23.0, torch 2.13.0.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: the pooled output is the state of the end-of-text token, eos_token_id.
# Seen: [1, 90, 5, 2] and [1, 90, 6, 2] have equal pooled outputs with eos_token_id 2, and different
# ones with the same weights where the end is token 3, [1, 90, 5, 3] and [1, 90, 6, 3].
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 torch==2.13.0

"$place/bin/python" - <<'PROGRAM'
import sys

import torch
import transformers
from transformers import CLIPTextConfig, CLIPTextModel

print("transformers", transformers.__version__, "torch", torch.__version__)


def distance(end):
    """How far the pooled outputs of two texts with another word before their end are apart."""
    torch.manual_seed(0)
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=100, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=8, eos_token_id=end, bos_token_id=1,
            projection_dim=16,
        )
    ).eval()
    with torch.no_grad():
        first, second = model(torch.tensor([[1, 90, 5, end], [1, 90, 6, end]])).pooler_output
    return (first - second).abs().max().item()


at_two, at_three = distance(2), distance(3)
print("end is token 2:", at_two, "end is token 3:", at_three)
seen = at_two == 0.0 and at_three > 1e-3
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
