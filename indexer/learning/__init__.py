"""Learning: models and maps trained on a user's data, and the gate before they serve.

Training methods, the record of what was trained, and the trial that decides whether it is better.
A trained model serves like any other, and a map within its collection: that is not here.
"""
