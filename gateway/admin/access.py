"""Who may do what on the operator's surface: every route names the least role; none is open by default."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from gateway.callers import Caller, Role
from gateway.errors import Forbidden, Unauthenticated
from gateway.tools import Tools

RANKS: dict[str, int] = {"application": 0, "viewer": 1, "operator": 2, "admin": 3}
BEARER = "Bearer "


def caller_of(request: Request) -> Caller:
    """The owner of the request's key; raises Unauthenticated."""
    tools: Tools = request.app.state.tools
    given = request.headers.getlist("authorization")
    secret = given[0].removeprefix(BEARER) if len(given) == 1 and given[0].startswith(BEARER) else ""
    caller = tools.keys.authenticate(secret) if secret else None
    if caller is None:
        raise Unauthenticated("a valid key is needed: Authorization: Bearer KEY", code="invalid_api_key")
    return caller


def at_least(role: Role) -> Callable[[Caller], Caller]:
    """A dependency that lets in whoever has the role or a higher one."""

    def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if RANKS[caller.role] < RANKS[role]:
            raise Forbidden(f"this needs the role {role}; key {caller.id} is {caller.role}", code="role")
        return caller

    return check


Viewer = Annotated[Caller, Depends(at_least("viewer"))]
OperatorKey = Annotated[Caller, Depends(at_least("operator"))]
Admin = Annotated[Caller, Depends(at_least("admin"))]


def may_read_text(caller: Caller) -> bool:
    """Whether the caller may read what people wrote and were answered."""
    return RANKS[caller.role] >= RANKS["operator"]
