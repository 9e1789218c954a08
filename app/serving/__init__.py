"""The state that all requests share: the library, batches, caches, queues. It knows no route."""
