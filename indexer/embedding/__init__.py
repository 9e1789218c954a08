"""Ways to embed: OpenVINO, sentence-transformers, hashing."""
