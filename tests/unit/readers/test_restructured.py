"""reStructuredText, as docutils and Sphinx write it."""

from __future__ import annotations

import pytest

from indexer.queries import Passage

PAGE = """\
=========
The guide
=========

:Author: Ann

.. contents::

.. _start:

Start
=====

See :func:`~os.path.join`, :ref:`the start <start>`, ``code`` and a `link <https://example.org>`_
with |sub| [1]_.

.. |sub| replace:: more
.. toctree::
   :maxdepth: 2

   other

* one
* two

  more of two

.. code-block:: python
   :linenos:
   :caption: Sphinx's own

   def f():

       return 1

Deeper
------

.. py:function:: join(path, *paths)
   :noindex:

   Join them.

.. list-table:: Of things

   * - A
     - B

.. image:: a.png
   :alt: a cat
.. comment

.. [1] The note.
"""
TEXT = """\
Start

See join, the start, code and a link with more 1.

one
two
more of two

def f():

    return 1


Deeper

join(path, *paths)

Join them.

Of things
A\tB

a cat

The note."""


def test_a_page_is_read_with_its_headings(read) -> None:
    """Directives and roles of Sphinx are their words, code is kept, tables of contents are not."""
    document = read("a.rst", PAGE).document
    assert (document.title, document.text) == ("The guide", TEXT)
    headings = ["Start", "Start > Deeper"]
    assert document.metadata == {"format": "rst", "author": "Ann", "headings": headings}
    start = document.text.index("Join them")
    assert Passage.of(document, start, start + 4).headings == ("Start", "Deeper")


@pytest.mark.parametrize("name", ["include", "literalinclude", "raw", "csv-table", "image"])
def test_nothing_is_fetched(read, folder, name) -> None:
    """A file that is named is not opened."""
    (folder / "secret.txt").write_text("never,shown\n")
    for given in (f"{name}:: secret.txt", f"{name}:: html\n   :file: secret.txt"):
        text = read("a.rst", f"Before\n\n.. {given}\n\nafter").document.text
        assert text.startswith("Before\n\n")
        assert text.endswith("\n\nafter")
        assert "never" not in text


def test_what_is_written_wrongly_is_kept(read) -> None:
    """As it is written, so that no word is lost; without a title the first heading is it."""
    document = read(
        "a.rst", "Top\n===\n\n.. figure::\n   :bad: x\n\n   lost?\n\nA `gone`_ one.\n"
    ).document
    assert document.title == "Top"
    assert "lost?" in document.text
    assert document.text.endswith("A `gone`_ one.")


def test_nesting_without_end_ends_the_file_alone(read) -> None:
    """It is refused with its reason."""
    deep = "".join(" " * n + "* a\n\n" for n in range(0, 1_200, 2))
    assert "deep" in read("a.rst", deep).rejection.reason
