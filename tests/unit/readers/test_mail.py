"""Messages and mailboxes, made by the standard library."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

NOTE = b"\x89PNG\r\n\x1a\n"


def letter(subject: str = "Gr\u00fc\u00dfe, Ann", id: str | None = "<1@host>") -> EmailMessage:
    """A message with two texts and attachments of some kinds."""
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = "Ann \u00d6 <ann@example.org>"
    made["To"] = "Bob <bob@example.org>, carol@example.org"
    made["Date"] = "Tue, 02 Jan 2024 03:04:05 +0100"
    if id:
        made["Message-ID"] = id
    made.set_content("The plain text.\nFrom here on.\n", charset="iso-8859-15")
    made.add_alternative("<h1>Rich</h1><p>The rich text.", subtype="html")
    made.add_attachment(
        "caf\u00e9".encode("cp1252"), "text", "plain", filename="r\u00e9sum\u00e9.txt"
    )
    made.add_attachment(NOTE, "image", "png", filename="photo.png")
    made.add_attachment(b"signed", "application", "pgp-signature", filename="s.asc")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content("<p>Only <b>rich</b>.", subtype="html")
    made.add_attachment(inner)
    return made


def test_a_message_is_a_document_and_so_are_its_attachments(read) -> None:
    """The subject is the title, the plain text goes first, forwarded messages are messages."""
    found = read("a.eml", bytes(letter()))
    first, cv, inner = found.documents
    assert (first.id, first.title) == ("a.eml", "Gr\u00fc\u00dfe, Ann")
    assert first.text == "The plain text.\nFrom here on."
    assert first.metadata == {
        "format": "mail",
        "from": "Ann \u00d6 <ann@example.org>",
        "to": ["Bob <bob@example.org>", "carol@example.org"],
        "date": "2024-01-02T03:04:05+01:00",
        "message_id": "1@host",
        "attachments": ["r\u00e9sum\u00e9.txt", "photo.png", "Inner.eml"],
    }
    assert (cv.id, cv.text) == ("a.eml/r\u00e9sum\u00e9.txt", "caf\u00e9")
    assert (inner.id, inner.title, inner.text) == ("a.eml/Inner.eml", "Inner", "Only rich.")
    assert [one.place for one in found.rejections] == ["a.eml/photo.png"]
    assert "an image" in found.rejections[0].reason


def test_each_message_of_a_mailbox_is_a_document(read, folder: Path) -> None:
    """Its Message-ID names it, its number where that is missing or not its own."""
    path = folder / "made"
    box = mailbox.mbox(str(path))
    for message in (letter(), letter(id=None), letter("Again"), letter("Last", "<2@host>")):
        box.add(message)
    box.close()
    found = read("inbox.mbox", path.read_bytes())
    texts = [one for one in found.documents if one.text.startswith("The plain")]
    assert [(one.id, one.title) for one in texts] == [
        ("inbox.mbox#1@host", "Gr\u00fc\u00dfe, Ann"),
        ("inbox.mbox#2", "Gr\u00fc\u00dfe, Ann"),
        ("inbox.mbox#3", "Again"),
        ("inbox.mbox#2@host", "Last"),
    ]
    assert {one.text for one in texts} == {"The plain text.\nFrom here on."}
    assert "inbox.mbox#2/r\u00e9sum\u00e9.txt" in [one.id for one in found.documents]
    told = read("mailbox", path.read_bytes())
    assert len(told.documents) == len(found.documents)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"Subject: s\n\nbare", "bare"),
        (b"Subject: =?x-unknown?Q?a?=\nDate: never\nTo: @\n\nodd headers", "odd headers"),
        (b"Content-Type: text/plain; charset=not-one\n\ncaf\xc3\xa9", "caf\u00e9"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno parts", ""),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ncut off", "cut off"),
        (b"Content-Transfer-Encoding: base64\n\n????", ""),
    ],
    ids=["bare", "headers", "charset", "no parts", "cut off", "base64"],
)  # fmt: skip
def test_malformed_messages_give_the_text_that_there_is(read, content, text) -> None:
    """And never an error of a library."""
    found = read("a.eml", content)
    assert [one.text for one in found.documents] == ([text] if text else [])
    assert [one.reason for one in found.rejections] == ([] if text else ["no text in it"])


def test_an_encrypted_message_is_named(read) -> None:
    """By what it is."""
    content = b"Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n"
    assert read("a.eml", content).rejection.reason == "an encrypted message"
