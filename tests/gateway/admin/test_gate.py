"""The gate of the operator's surface: keys before bodies, bounds before parsing, one shape for every error."""

import logging
import socket

import pytest

from gateway.logs import JsonLines
from tests.fakes.gateway import until

LIMIT = 4 * 1024 * 1024


def test_no_body_is_awaited_of_somebody_without_a_key(house):
    head = "POST /admin/keys HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=5) as line:
        line.sendall(head.encode())
        assert b" 401 " in line.recv(100)


def test_a_body_beyond_the_limit_is_a_413(house):
    with house.http() as client:
        answer = client.post("/admin/policy", content=b" " * (LIMIT + 1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "invalid_request_error")


@pytest.mark.parametrize(
    "body", [b"{", b"{]", b"\xff", b"[" * 100_000, b'{"a":' * 1010 + b"1" + b"}" * 1010, b"NaN"]
)
def test_what_is_no_json_is_told_so_and_blames_no_field(house, body):
    with house.http() as client:
        answer = client.post("/admin/keys", content=body, headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (400, None, "invalid_request_error")
    assert "JSON" in error["message"]
    assert "1:" not in error["message"]


def test_json_is_taken_as_such_whatever_it_is_called(house):
    form = {"content-type": "application/x-www-form-urlencoded"}  # as curl calls it unless told otherwise
    with house.http() as client:
        answer = client.post("/admin/keys", content=b'{"name": "shop"}', headers=form)
    assert answer.status_code == 201


@pytest.mark.parametrize("path", ["/admin/health", "/health"])
def test_a_crash_is_told_in_openais_shape_and_logged_without_its_words(house, caplog, path):
    house.tools.vital["a part"] = lambda: {}["SENTINEL"]
    with house.http() as client, caplog.at_level(logging.ERROR, "gateway"):
        answer = client.get(path)
        assert until(lambda: logged(caplog))  # the answer may come first
    del house.tools.vital["a part"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    told = JsonLines().format(logged(caplog)[0])
    assert "KeyError" in told
    assert "SENTINEL" not in told


def logged(caplog):
    return [record for record in caplog.records if record.name.startswith("gateway")]
