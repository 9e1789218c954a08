"""How many examples of a property are tried: a few in the suite, many in its long form."""

from __future__ import annotations

import os
from typing import Final

TIMES: Final = int(os.environ.get("EXAMPLES_TIMES", "1"))
"""How many times the ordinary number; `make test-properties` sets it."""


def tries(ordinary: int) -> int:
    """The number of examples, of which so many are tried in the suite."""
    return ordinary * TIMES
