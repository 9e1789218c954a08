"""How fast Bearing is on this machine, beside its peers. Measurements, not tests.

``python -m benchmarks`` runs them all; each module runs by itself too.
"""
