"""Declarative shadow roots of a page, put where browsers show what is in them.

A ``<template shadowrootmode>`` is shown in place of its host's own children; those stand where the
template has a ``<slot>`` for them, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

ROOT: Final = "template[shadowrootmode]"
MAX_ROOTS: Final = 10_000
"""Of a page that has more, those stay unread that are nested in the last."""


def with_shadows(page: LexborHTMLParser) -> LexborHTMLParser:
    """The page, changed to what is shown of it."""
    roots = page.css(ROOT)
    for root in roots:  # grows: roots hold others
        if len(roots) > MAX_ROOTS:
            break
        roots += [inner for each in root.template_fragments()[:1] for inner in each.css(ROOT)]
    for root in reversed(roots):  # those inside first, as a copy of a template is empty
        _unfold(root)
    return page


def _unfold(root: LexborNode) -> None:
    """Replace a root's host's children by what the root shows."""
    host = root.parent
    if host is None:
        root.decompose()
        return
    given = [child for child in _children(host) if child.mem_id != root.mem_id]
    for fragment in root.template_fragments()[:1]:
        for child in _children(fragment):
            root.insert_before(child)  # a copy
    root.decompose()
    for slot in host.css("slot"):
        _fill(slot, given)
    for child in given:
        child.decompose()


def _fill(slot: LexborNode, given: list[LexborNode]) -> None:
    name = slot.attributes.get("name") or ""
    wanted = [child for child in given if _slot_of(child) == name]
    if any(child.tag != "-text" or (child.text_content or "").strip() for child in wanted):
        for child in _children(slot):  # shown where nothing is given for it
            child.decompose()
        for child in wanted:
            slot.insert_child(child)
    slot.unwrap(delete_empty=True)  # the slot of an inner root is none of the outer's


def _slot_of(node: LexborNode) -> str:
    return "" if (node.tag or "").startswith("-") else node.attributes.get("slot") or ""


def _children(node: LexborNode) -> list[LexborNode]:
    found = []
    child = node.first_child
    while child is not None:
        found.append(child)
        child = child.next
    return found
