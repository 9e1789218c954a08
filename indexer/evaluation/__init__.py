"""Evaluation of rankings: judged datasets, measures, systems, comparisons. It prints nothing."""
