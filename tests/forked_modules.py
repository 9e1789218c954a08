"""Everything that a training or a promotion imports: a process is forked after this."""

import sentence_transformers  # noqa: F401
import torch  # noqa: F401

import indexer.cli.app
import indexer.learning.methods.contrastive  # noqa: F401
