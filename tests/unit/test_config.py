"""The settings of the library, as the environment gives them."""

from __future__ import annotations

import pytest

from indexer.config import Config
from indexer.errors import InvalidInput


def test_tolerances_are_numbers_from_0_to_1() -> None:
    """Of 0 nothing is let pass, of 1 everything."""
    given = {"BEARING_AUC_TOLERANCE": "0", "BEARING_CALIBRATION_TOLERANCE": "1"}
    config = Config.from_environment(given)
    assert (config.auc_tolerance, config.calibration_tolerance) == (0.0, 1.0)


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "little"])
def test_another_tolerance_is_refused(value: str) -> None:
    """With the variable, and what is allowed."""
    with pytest.raises(InvalidInput, match="BEARING_AUC_TOLERANCE must be a number from 0 to 1"):
        Config.from_environment({"BEARING_AUC_TOLERANCE": value})
