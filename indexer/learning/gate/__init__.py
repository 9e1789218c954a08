"""The gate: a trained model or map serves only if it is shown to be better.

``trial`` measures what serves and the candidate on held-out queries, ``judgement`` decides,
``attempts`` counts the candidates, ``promotion`` puts one in service and takes it back.
"""
