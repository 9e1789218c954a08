"""OpenVINO tells its maker of every import of it, unless its messenger is missing."""

from __future__ import annotations

import sys
from typing import Final

MESSENGER: Final = "openvino_telemetry"


def forbid_telemetry() -> None:
    """OpenVINO, if it is imported after this, calls nobody and leaves no file about its user.

    None makes Python refuse the import, whereupon OpenVINO takes a stub of its own. A process
    that has imported OpenVINO by itself is left as it is.
    """
    sys.modules.setdefault(MESSENGER, None)  # type: ignore[arg-type]
