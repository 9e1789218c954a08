#!/usr/bin/env bash
# What: the number of threads of NumPy's matrix products can be set by one thread only, the first
# that did; set by any other it stays as it was, and nothing says so.
# Versions: threadpoolctl 3.8.0, numpy 2.4.6.
# Seen on: Linux x86-64, CPython 3.11.
# By the docs: ThreadpoolController().lib_controllers have set_num_threads; the README names no
# thread that may call it.
# Seen: 1 is set by one thread that goes on living, 2 by another, and 1 is what it stays.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet --disable-pip-version-check threadpoolctl==3.8.0 numpy==2.4.6

"$place/bin/python" - <<'PROGRAM'
import sys
from threading import Thread

import numpy
import threadpoolctl
from threadpoolctl import ThreadpoolController

print("threadpoolctl", threadpoolctl.__version__, "numpy", numpy.__version__)
(library,) = ThreadpoolController().select(user_api="blas").lib_controllers
library.set_num_threads(1)
other = Thread(target=library.set_num_threads, args=(2,))
other.start()
other.join()
print("set to 1, then by another thread to 2:", library.num_threads)
sys.exit(None if library.num_threads == 1 else "it is no longer as it was seen")
PROGRAM
