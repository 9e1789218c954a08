"""Every error that the library raises on purpose.

::

    BearingError
    ├── InvalidInput (ValueError)      the input cannot be used; nothing was changed
    │   ├── InvalidDocument            an id, text, title or metadata out of bounds
    │   ├── InvalidVector              zero, not finite, or of another dimension
    │   ├── InvalidFilter              a filter that does not parse
    │   ├── InvalidQuery               a search that contradicts itself
    │   └── TooLarge                   over a limit that the message names
    ├── Unreadable                     a file or line that holds no document; names the place
    ├── NotFound                       no collection or document of that name
    ├── Forbidden                      only a part of the collection, or service, may be used
    ├── Conflict
    │   ├── AlreadyExists              a collection of that name is there
    │   ├── CollectionBusy             another process is writing to it
    │   ├── ModelMismatch              the collection was filled by another model
    │   ├── ModelChanged               another model took over meanwhile: embed again
    │   └── OtherFormat                another version of Bearing wrote it, or something else
    ├── ModelError                     a model that cannot be loaded or trusted
    ├── MissingExtra                   an optional dependency is not installed
    ├── ServiceFailed                  a service did not answer, or refused
    ├── Damaged                        a file of a collection has changed since it was written
    ├── StorageFailed                  the disk is full, read-only, or failing
    ├── Unsupported                    the collection's engine cannot do this
    └── EngineUnavailable              the engine is remote, and could not be reached
        ├── Unreachable                it does not answer
        ├── Refused                    it refused the request
        └── TimedOut                   it did not answer in time

A message says what was given, what is allowed, and what to do. Exceptions of other
libraries are translated where those libraries are called.
"""

from indexer.installation import how_to_add


class BearingError(Exception):
    """The root of the tree: catch it to catch every error that Bearing raises on purpose."""


class InvalidInput(BearingError, ValueError):
    """The input cannot be used; nothing was changed."""


class InvalidDocument(InvalidInput):
    """A document's id, text, title or metadata is out of bounds."""


class InvalidVector(InvalidInput):
    """A vector is zero, not finite, or of another dimension than the collection's."""


class InvalidFilter(InvalidInput):
    """A filter does not parse."""


class InvalidQuery(InvalidInput):
    """A search contradicts itself or asks for the impossible."""


class TooLarge(InvalidInput):
    """Something is over a limit; the message names the limit."""


class Unreadable(BearingError):
    """A file, line or page holds no readable document."""


class NotFound(BearingError):
    """No collection or document of that name exists."""


class Gone(BearingError):
    """A picture is no longer where it was indexed, or is another file now."""


class Forbidden(BearingError):
    """The request needs more of the collection, or of the service, than may be used."""


class Conflict(BearingError):
    """The request is valid, but the present state forbids it."""


class AlreadyExists(Conflict):
    """A collection of that name already exists."""


class CollectionBusy(Conflict):
    """Another writer holds the collection."""


class ModelMismatch(Conflict):
    """The collection was filled by another model than the one given."""


class ModelChanged(Conflict):
    """The collection moved to another model since the vector was computed: embed again."""


class OtherFormat(Conflict):
    """Another version of Bearing, or another program, wrote the store or backup."""


class ModelError(BearingError):
    """A model cannot be loaded, or is not the one it should be."""


class MissingExtra(BearingError):
    """An optional dependency is not installed; the message says how its extra is added."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: {how_to_add(extra)}")


class ServiceFailed(BearingError):
    """A service did not answer, or refused; the message says which and why."""


class Damaged(BearingError):
    """A file of a collection has changed since it was written."""


class StorageFailed(BearingError):
    """The file system refused a write: full, read-only, or failing."""


class Unsupported(BearingError):
    """The collection's engine cannot do this; the message says what can."""

    def __init__(self, what: str, engine: str, advice: str) -> None:
        super().__init__(f"a collection that is kept by {engine} has no {what}: {advice}")


class EngineUnavailable(BearingError):
    """The engine is remote, and could not be reached."""


class Unreachable(EngineUnavailable):
    """No answer from there; the message says where, and what to check."""


class Refused(EngineUnavailable):
    """The engine refused; the message says why, and who can change that."""


class TimedOut(EngineUnavailable):
    """The engine did not answer in time; it is not known whether a write was done."""
