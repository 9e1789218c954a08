"""Operations on a collection, written once over any engine.

A query's way: ``collection`` opens one state, ``execution`` answers on it; ``groups``,
``targets``, ``by_example``, ``hybrid``, ``matched_terms`` and ``found`` are its parts.
``calibrations`` and ``score_background`` are derived, and kept by the engine, as are users'
judgements, ``feedback``. Models, and the stages of a search that need one, are above:
``indexer.retrieval``.
"""

from indexer.collection.collection import Collection

__all__ = ["Collection"]
