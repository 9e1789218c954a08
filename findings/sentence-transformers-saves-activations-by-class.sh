#!/usr/bin/env bash
# What: a Dense module is saved with the class of its activation function and without its settings,
# so a model with LeakyReLU(0.5) or Softplus(beta=5) gives other vectors once it is loaded again.
# Versions: sentence-transformers 6.2.0, torch 2.13.0.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: any torch module is an activation function; what is saved loads as the same model.
# Seen: the negative component of [1, -1] is -0.5 before saving and -0.01 after loading, without a
# warning.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check \
  sentence-transformers==6.2.0 torch==2.13.0

"$place/bin/python" - <<'PROGRAM'
import sys
import tempfile
import warnings

import sentence_transformers
import torch
from sentence_transformers.models import Dense

print("sentence-transformers", sentence_transformers.__version__, "torch", torch.__version__)
made = Dense(2, 2, bias=False, activation_function=torch.nn.LeakyReLU(0.5), init_weight=torch.eye(2))


def vector(module):
    with torch.no_grad():
        given = {"sentence_embedding": torch.tensor([[1.0, -1.0]])}
        return module(given)["sentence_embedding"][0].tolist()


with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    made.save(folder)
    loaded = Dense.load(folder)
    told = [str(one.message) for one in warned if "activation" in str(one.message).lower()]
print("before", vector(made), "after", vector(loaded), "warnings", told)
seen = vector(made) == [1.0, -0.5] and abs(vector(loaded)[1] + 0.01) < 1e-6 and not told
sys.exit(None if seen else "it is no longer as it was seen")
PROGRAM
