"""Helm, which a process of its own runs: its library brings a second runtime, Go's, with it.

In the process of the tests that runtime takes over signals, and ends it when they come to threads
that it does not know.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

CHART: Final = Path(__file__).parents[1] / "docker" / "helm" / "bearing"


class Refused(Exception):
    """What Helm said against it."""


def lint(values: Mapping[str, Any]) -> dict[str, Any]:
    """What it finds in the chart with these values, strictly: ``errors`` and ``messages``."""
    found: dict[str, Any] = _run("lint", json.dumps(values))
    return found


def render(values: Mapping[str, Any]) -> dict[str, str]:
    """Texts by path, of a release called mine; raises Refused."""
    found: dict[str, str] = _run("render", json.dumps(values))
    return found


@cache
def _run(work: str, values: str) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, work], input=values, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    told = json.loads(done.stdout)
    if "refused" in told:
        raise Refused(told["refused"])
    return told["found"]


def main(work: str) -> None:
    """Do the work, in a process that does nothing else."""
    import helm_python as helm

    values = json.load(sys.stdin)
    try:
        if work == "lint":
            found = helm.lint(CHART, values, strict=True)
        else:
            with helm.Chart.load(CHART) as chart:
                found = chart.render(values, name="mine", namespace="search")
    except helm.HelmError as error:
        told = {"refused": str(error)}
    else:
        told = {"found": found}
    sys.stdout.write(json.dumps(told, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
