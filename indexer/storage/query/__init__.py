"""One state of a collection as the interface of engines sees it: see indexer.engine. Read-only."""
