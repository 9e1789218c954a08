"""Exit 0 if the service in this container answers on /healthz, 1 if not."""

import os
import sys
from urllib.error import URLError
from urllib.request import urlopen

port = os.environ.get("BEARING_PORT", "8000")
try:
    with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=4) as answer:
        sys.exit(answer.status != 200)
except (URLError, TimeoutError) as problem:
    sys.exit(f"no answer on port {port}: {problem}")
