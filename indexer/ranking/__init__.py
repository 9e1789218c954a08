"""Pure functions on ids and scores: fusion, diversity, calibration."""
