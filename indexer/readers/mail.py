"""Mail: messages (.eml) and mailboxes (.mbox), a document each, and each attachment by its format.

The text is the plain one of a message, else what its HTML shows; the title is the subject.
Pictures within the text and signatures are left out. Encrypted messages are rejected.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from indexer.readers.containers import blocks, read_container
from indexer.readers.decoding import decode
from indexer.readers.extracted import MAX_TEXT_BYTES, Extracted
from indexer.readers.html import visible_parts
from indexer.readers.manuscript import Headings, headings_metadata
from indexer.readers.reading import Fields, Member, Read
from indexer.readers.sources import Source

MAX_MESSAGE_BYTES: Final = MAX_TEXT_BYTES * 2
MAX_ID: Final = 300
"""Characters of a Message-ID that may stand in an id."""

BEGIN: Final = b"From "
SIGNATURES: Final = frozenset(
    ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
)
ENCRYPTED: Final = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
UNNAMED: Final = {
    "message/rfc822": "message.eml",
    "text/html": "part.html",
    "text/plain": "part.txt",
}

_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_message(source: Source, fields: Fields) -> Iterator[Read | Member]:  # noqa: ARG001
    """The document of the message, and its attachments."""
    yield from read_container(source, "mail", __file__, box=False)


def read_mailbox(source: Source, fields: Fields) -> Iterator[Read | Member]:  # noqa: ARG001
    """The documents of the messages, each with its attachments.

    A message is named by its Message-ID; by its number, if it has none or one that came before.
    """
    yield from read_container(source, "mail", __file__, box=True)


def report(file: BinaryIO, box: bool) -> Iterator[dict[str, Any]]:
    """The messages, extracted, each followed by its attachments."""
    if not box:
        yield from _message(file.read(MAX_MESSAGE_BYTES), None)
        return
    seen: set[str] = set()
    for number, data in enumerate(_messages(file), start=1):
        named = " ".join(str(_header(_parsed(data, headers_only=True), "message-id") or "").split())
        part = named.strip("<>")
        if not part or part in seen or len(part) > MAX_ID:
            part = str(number)
        seen.add(part)
        if len(data) > MAX_MESSAGE_BYTES:
            yield {"member": f"#{part}"}
            yield {"problem": f"a message of more than {MAX_MESSAGE_BYTES:,} bytes"}
        else:
            yield from _message(data, part)


def _messages(file: BinaryIO) -> Iterator[bytes]:
    """The messages of a mailbox: each begins with a line ``From ...``, mostly after a blank one.

    (RFC 4155; a ``>`` in front of that word within a text was put there by the mailbox.)
    """
    lines: list[bytes] = []
    size = 0
    blank = True
    for line in iter(lambda: file.readline(MAX_MESSAGE_BYTES), b""):
        if line.startswith(BEGIN) and blank:
            if lines:
                yield _QUOTED.sub(rb"\1", b"".join(lines))
            lines, size = [], 0
        elif size <= MAX_MESSAGE_BYTES:
            lines.append(line)
            size += len(line)
        blank = not line.strip()
    if b"".join(lines).strip():
        yield _QUOTED.sub(rb"\1", b"".join(lines))


def _parsed(data: bytes, headers_only: bool = False) -> EmailMessage:
    if headers_only:
        data = data[: data.find(b"\n\n") + 1 or data.find(b"\r\n\r\n") + 2 or None]
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _message(data: bytes, part: str | None) -> Iterator[dict[str, Any]]:
    """The message, then its attachments."""
    message = _parsed(data)
    place = "" if part is None else f"#{part}"
    if message.get_content_type() in ENCRYPTED or message.get_content_subtype() == "encrypted":
        yield {"member": place}
        yield {"problem": "an encrypted message"}
        return
    attached = [each for each in _attachments(message) if not _is_left_out(each)]
    names = [_name_of(each, number) for number, each in enumerate(attached, start=1)]
    text, headings = _body(message)
    facts = {**_facts(message), **({"attachments": names} if names else {})}
    subject = _line(_header(message, "subject"))
    if text.strip() or not names:
        found = Extracted(text, subject or None, {**facts, **headings_metadata(headings)}, {}, part)
        yield {"extracted": asdict(found)}
    for each, name in zip(attached, names, strict=True):
        yield {"member": f"{place}/{name}"}
        yield from _content(each)


def _attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    """The parts that are not the text, those of forwarded messages excepted."""
    try:
        for each in message.iter_attachments():
            if isinstance(each, EmailMessage):
                yield each
    except (AttributeError, KeyError, TypeError):
        return  # a message that says it is of many parts, and is not


def _is_left_out(part: EmailMessage) -> bool:
    if part.get_content_type() in SIGNATURES:
        return True
    inline = part.get_content_disposition() != "attachment"
    return part.get_content_maintype() == "image" and inline


def _name_of(part: EmailMessage, number: int) -> str:
    """The name of an attachment, which its format is told by."""
    kind = part.get_content_type()
    given = _line(_safely(part.get_filename)).replace("\\", "/").rpartition("/")[2]
    if kind == "message/rfc822" and not given.lower().endswith(".eml"):
        given = f"{given or _line(_subject_within(part)) or 'message'}.eml"
    name = given or UNNAMED.get(kind) or f"part.{part.get_content_subtype()}"
    return name if PurePosixPath(name).stem not in ("", ".", "..") else f"{number}-{name}"


def _subject_within(part: EmailMessage) -> str:
    inner = part.get_payload()
    first = inner[0] if isinstance(inner, list) and inner else None
    return str(_header(first, "subject") or "")[:80] if isinstance(first, EmailMessage) else ""


def _content(part: EmailMessage) -> Iterator[dict[str, Any]]:
    """The bytes of an attachment, as items."""
    inner: Any = part.get_payload()
    if part.get_content_type() == "message/rfc822" and isinstance(inner, list) and inner:
        data = _safely(lambda: bytes(inner[0]))
    else:
        data = _safely(lambda: part.get_payload(decode=True))
    if isinstance(data, bytes):
        yield from blocks(io.BytesIO(data))
    else:
        yield {"problem": "an attachment that cannot be decoded"}


def _body(message: EmailMessage) -> tuple[str, Headings]:
    """The text of a message, with the headings of its HTML."""
    plain = _safely(lambda: message.get_body(("plain",)))
    text = _text_of(plain) if plain is not None else ""
    if text.strip():
        return text, ()
    page = _safely(lambda: message.get_body(("html",)))
    return visible_parts(_text_of(page)) if page is not None else ("", ())


def _text_of(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    return decode(data, part.get_content_charset()).text.strip()


def _facts(message: EmailMessage) -> dict[str, Any]:
    """The metadata of a message."""
    facts: dict[str, Any] = {
        "from": _line(_header(message, "from")),
        "to": _addresses(message, "to"),
        "cc": _addresses(message, "cc"),
        "message_id": _line(_header(message, "message-id")).strip("<>"),
        "in_reply_to": _line(_header(message, "in-reply-to")).strip("<>"),
    }
    sent = _safely(lambda: message["date"].datetime)
    if sent is not None:
        facts["date"] = sent.isoformat()
    return {name: value for name, value in facts.items() if value}


def _addresses(message: EmailMessage, name: str) -> list[str]:
    found = getaddresses([_line(_header(message, name))])
    return [f"{shown} <{address}>" if shown else address for shown, address in found if address]


def _header(message: Any, name: str) -> object:  # noqa: ANN401 - whatever email gives
    return _safely(lambda: message[name])


def _safely(ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever email gives
    """An answer of email's; None where it stumbles over what is malformed."""
    try:
        return ask()
    except (MessageError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _line(value: object) -> str:
    return " ".join(str(value or "").split())
