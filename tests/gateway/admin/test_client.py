"""The typed client against servers that are not what it hopes for."""

import pytest

from gateway.admin.client import AdminClient, AdminFailed, AdminRefused, AdminUnavailable
from tests.serving import serving


def answering(status, body, kind=b"application/json"):
    """A server with one answer to everything."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    return serving(app)


async def test_a_server_that_is_not_there_is_unavailable():
    async with AdminClient("http://127.0.0.1:1", "key") as admin:
        with pytest.raises(AdminUnavailable, match=r"http://127\.0\.0\.1:1 cannot be asked"):
            await admin.versions()


async def test_a_refusal_keeps_its_status_code_and_param():
    body = b'{"error": {"message": "no such thing", "code": "gone", "param": "version"}}'
    with answering(409, body) as server:
        async with AdminClient(server.url, "key") as admin:
            with pytest.raises(AdminRefused, match="no such thing") as refused:
                await admin.stage("x")
    assert (refused.value.status, refused.value.code, refused.value.param) == (409, "gone", "version")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "text"}'])
async def test_a_refusal_without_a_reason_tells_its_status(body):
    with answering(502, body) as server:
        async with AdminClient(server.url, "key") as admin:
            with pytest.raises(AdminRefused, match="answered 502"):
                await admin.versions()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data": [{"id": 3}]}'])
async def test_what_is_no_admin_api_is_told_so(body):
    with answering(200, body) as server:
        async with AdminClient(server.url, "key") as admin:
            with pytest.raises(AdminFailed, match="is it one"):
                await admin.versions()


async def test_a_broken_gateway_can_still_tell_its_health():
    with answering(503, b'{"status": "broken"}') as server:
        async with AdminClient(server.url, "key") as admin:
            assert await admin.health() == {"status": "broken"}
