"""How good answers are: judged datasets, measures, systems, comparisons. It prints nothing."""
