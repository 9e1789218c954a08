"""What is kept of a collection's analysis: score background, calibrations, map.

The mathematics are in ranking and analysis.
"""
