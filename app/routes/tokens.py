"""Tokens: short-lived rights to a part of what the caller's key may, for pages and programs."""

from __future__ import annotations

import time
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from app.access.keys import Key, Keyring, moment_text
from app.access.roles import Role
from app.access.tokens import issue
from app.http.problems import Problem
from app.middleware.audit import note_token
from app.middleware.security import caller_of
from app.routing.requests import BoundedRoute, ServiceNeeded, needs
from app.schemas.tokens import TokenBody, TokenView
from indexer.library import check_name

router = APIRouter(tags=["callers"], route_class=BoundedRoute)


@router.post("/tokens", status_code=HTTPStatus.CREATED)
@needs(Role.SEARCH)
async def make_token(
    body: TokenBody, service: ServiceNeeded, request: Request, response: Response
) -> TokenView:
    """A token for a page or a program: a key that ends soon, and may do a part of what yours may.

    It is sent as a key is. It cannot be taken back before it ends, except by taking its key away.
    Answers 409 where BEARING_TOKEN_SECRET is not set; a token makes no tokens (403).
    """
    for name in body.collections or ():
        check_name(name)
    secret = service.settings.token_key
    if secret is None:
        raise Problem(
            HTTPStatus.CONFLICT,
            "no tokens are made here: BEARING_TOKEN_SECRET (openssl rand -hex 32) turns that on",
        )
    made = issue(secret, _key_of(request), body.to_grant(), time.time())
    note_token(request.scope, made.number)
    response.headers["cache-control"] = "no-store"
    return TokenView(
        token=made.text,
        number=made.number,
        role=body.role,
        expires=moment_text(made.expires),
    )


def _key_of(request: Request) -> Key:
    """The key of the caller; raises Problem for one with a token, or without a key."""
    caller = caller_of(request.scope)
    if caller.token is not None:
        raise Problem(
            HTTPStatus.FORBIDDEN, "a token makes no tokens: ask with the key that it is of"
        )
    keys: Keyring = request.state.keys
    key = keys.named(caller.name)
    if key is None:
        raise Problem(HTTPStatus.CONFLICT, "no key is needed here, so there are no tokens of one")
    return key
