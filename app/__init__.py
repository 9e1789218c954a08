"""The service: asynchronous, in front of a collection; it knows no retrieval."""

import os

# OpenBLAS reads this once, when NumPy is imported: its threads wait for 2 ** 4 cycles before they
# sleep. By default they spin for 2 ** 26 after each matrix product, about 20 ms; with batches of
# searches one after another they never stopped, and kept a core from the model.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
