"""Declarative shadow roots of a page, placed where browsers show their content.

A ``<template shadowrootmode>`` is shown in place of its host's own children; those appear where the
template has a ``<slot>`` for them, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

ROOT: Final = "template[shadowrootmode]"
MAX_ROOTS: Final = 10_000
"""On a page with more, those nested in the last stay unread."""


def with_shadows(page: LexborHTMLParser) -> LexborHTMLParser:
    """The page, changed to what is shown of it."""
    roots = page.css(ROOT)
    for root in roots:  # grows, as roots contain others
        if len(roots) > MAX_ROOTS:
            break
        roots += [inner for each in root.template_fragments()[:1] for inner in each.css(ROOT)]
    for root in reversed(roots):  # inner ones first, as a copy of a template is empty
        _unfold(root)
    return page


def _unfold(root: LexborNode) -> None:
    """Replace the children of a root's host by the content that the root shows."""
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
        for child in _children(slot):  # the default content, shown if nothing fills the slot
            child.decompose()
        for child in wanted:
            slot.insert_child(child)
    slot.unwrap(delete_empty=True)  # the slot of an inner root is not one of the outer root's


def _slot_of(node: LexborNode) -> str:
    return "" if (node.tag or "").startswith("-") else node.attributes.get("slot") or ""


def _children(node: LexborNode) -> list[LexborNode]:
    found = []
    child = node.first_child
    while child is not None:
        found.append(child)
        child = child.next
    return found
