"""GET and DELETE /v1/responses/{id} and GET …/input_items: a key's own stored responses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from gateway.api.models import caller_of
from gateway.api.responses.remembering import away, responses_of
from gateway.callers import Caller
from gateway.errors import BadRequest, NotFound
from gateway.ledger.contract import LedgerFailed, NotInLedger
from gateway.tools import Tools

Json = dict[str, Any]
Asking = Annotated[Caller, Depends(caller_of)]
Limit = Annotated[int, Query(ge=1, le=100)]
ONE = "/v1/responses/{response_id}"


def responses_router(tools: Tools) -> APIRouter:
    """The routes under /v1/responses, but the one that asks for an answer."""
    router = APIRouter()

    @router.get(ONE)
    async def fetch(response_id: str, caller: Asking, *, stream: bool = False) -> Json:
        if stream:
            raise BadRequest("a stored response comes whole; ask without stream", param="stream")
        with told():
            return (await responses_of(tools).get(response_id, caller.id)).response

    @router.delete(ONE)
    async def forget(response_id: str, caller: Asking) -> Json:
        with told():
            await responses_of(tools).delete(response_id, caller.id)
        return {"id": response_id, "object": "response", "deleted": True}

    @router.get(f"{ONE}/input_items")
    async def input_items(
        response_id: str,
        caller: Asking,
        limit: Limit = 20,
        order: Literal["asc", "desc"] = "desc",
        after: str | None = None,
    ) -> Json:
        with told():
            items = (await responses_of(tools).get(response_id, caller.id)).input
        return page_of(items if order == "asc" else items[::-1], limit, after)

    return router


def page_of(items: list[Json], limit: int, after: str | None) -> Json:
    """A page in OpenAI's shape; raises BadRequest where it should begin after an item that is not there."""
    ids = [item["id"] for item in items]
    if after is not None and after not in ids:
        raise BadRequest("there is no such item in this response's input", param="after")
    start = ids.index(after) + 1 if after is not None else 0
    page = items[start : start + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(items),
    }


@contextmanager
def told() -> Iterator[None]:
    """The ledger's failures as a client is told them; another key's response is as good as none."""
    try:
        yield
    except NotInLedger as error:
        raise NotFound(str(error), param="response_id", code="response_not_found") from None
    except LedgerFailed as error:
        raise away() from error
