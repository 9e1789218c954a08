"""One state of a collection, as an engine is asked: see indexer.engine. It writes nothing."""
