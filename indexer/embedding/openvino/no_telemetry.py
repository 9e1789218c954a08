"""OpenVINO reports every import of it to its maker, unless its telemetry module is missing."""

from __future__ import annotations

import sys
from typing import Final

MESSENGER: Final = "openvino_telemetry"


def forbid_telemetry() -> None:
    """Make OpenVINO, if imported after this, send no telemetry and leave no file about its user.

    None in sys.modules makes Python refuse the import, and OpenVINO then uses a stub of its own. A
    process that has imported OpenVINO by itself is left as it is.
    """
    sys.modules.setdefault(MESSENGER, None)  # type: ignore[arg-type]
