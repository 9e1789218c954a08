"""Reading: files of many formats to documents, with a reason for everything that cannot be read.

A format is a module of its own, and a row of the table in ``formats``. Nothing is
cut into chunks, embedded or stored here.
"""

from indexer.readers.formats import known_formats
from indexer.readers.ocr import check_ocr
from indexer.readers.paths import check_paths, input_parts, read_file, read_paths
from indexer.readers.reading import USUAL, Fields, Illustrated, Part, Read, Rejection
from indexer.readers.records import parse_json, parse_record

__all__ = [
    "USUAL",
    "Fields",
    "Illustrated",
    "Part",
    "Read",
    "Rejection",
    "check_ocr",
    "check_paths",
    "input_parts",
    "known_formats",
    "parse_json",
    "parse_record",
    "read_file",
    "read_paths",
]
