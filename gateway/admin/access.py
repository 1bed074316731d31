"""Who may do what on the operator's surface: every route names the least role; none is open by default."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from gateway.callers import Caller, Role
from gateway.errors import Forbidden

RANKS: dict[str, int] = {"application": 0, "viewer": 1, "operator": 2, "admin": 3}


def caller_of(request: Request) -> Caller:
    """Whom the gate let in."""
    caller: Caller = request.scope["caller"]
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
