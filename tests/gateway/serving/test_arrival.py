"""Requests as bytes: whoever dribbles, floods or smuggles them is told so or hung up on, and holds nothing for long."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.gateway import Running, running_gateway, until

KEY = b"authorization: Bearer application\r\n"
ASKED = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}).encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n" + KEY
WHOLE = POST + b"content-length: %d\r\n\r\n%b" % (len(ASKED), ASKED)
LIMITS = {"head_seconds": 0.4, "body_seconds": 0.4, "max_head_bytes": 8192, "max_body_bytes": 10_000}


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running_gateway(limits=LIMITS) as running:
        yield running


@contextmanager
def line(gateway: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", gateway.server.port), timeout=5) as opened:
        yield opened


def heard(opened: socket.socket) -> bytes:
    """All that comes until the gateway hangs up."""
    said = b""
    try:
        while received := opened.recv(65536):
            said += received
    except ConnectionError:
        pass
    return said


def told(gateway: Running, *pieces: bytes, between: float = 0.0) -> bytes:
    """What is answered to some bytes, until the gateway hangs up."""
    with line(gateway) as opened:
        try:
            for piece in pieces:
                opened.sendall(piece)
                time.sleep(between)
        except ConnectionError:
            pass
        return heard(opened)


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def error_in(said: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(said.partition(b"\r\n\r\n")[2])["error"]
    return error


def nothing_is_open(gateway: Running) -> bool:
    return until(lambda: not gateway.server.connections, 3)


def test_a_head_that_is_dribbled_is_cut_off(gateway: Running) -> None:
    said = told(gateway, b"GET /health HTTP/1.1\r\n", *[b"a: b\r\n"] * 60, between=0.02)
    assert (status_of(said), error_in(said)["code"]) == (408, "head_timeout")
    assert nothing_is_open(gateway)


def test_a_client_that_says_nothing_is_hung_up_on(gateway: Running) -> None:
    assert told(gateway) == b""


def test_line_breaks_are_no_request_and_keep_nothing_open(gateway: Running) -> None:
    assert told(gateway, *[b"\r\n"] * 40, between=0.02) == b""
    with line(gateway) as opened:
        opened.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.1)
        opened.sendall(b"\r\n")
        assert heard(opened).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "framing", [b"content-length: 1000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n5\r\n"]
)
def test_a_body_that_is_dribbled_is_a_408(framing: bytes, gateway: Running) -> None:
    said = told(gateway, POST + framing, *[b"x"] * 4, between=0.05)
    assert (status_of(said), error_in(said)["code"]) == (408, "body_timeout")
    assert b"connection: close" in said
    assert nothing_is_open(gateway)
    assert gateway.metric("trimtab_concurrent_requests") == 0


def test_a_body_that_nobody_waits_for_keeps_no_connection(gateway: Running) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
    assert status_of(told(gateway, head)) == 401
    assert nothing_is_open(gateway)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\na: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
        b"GET / HTTP/1.1\r\na: " + b"x" * 12_000,
    ],
)
@pytest.mark.parametrize("pieces", [1, 5])
def test_a_head_beyond_all_bounds_is_a_431(head: bytes, pieces: int, gateway: Running) -> None:
    size = len(head) // pieces + 1
    said = told(gateway, *(head[start : start + size] for start in range(0, len(head), size)), between=0.01)
    # What came in one piece and has no end yet is given its time, and no more.
    assert status_of(said) == (408 if pieces == 1 and not head.endswith(b"\r\n\r\n") else 431)


@pytest.mark.parametrize(
    "framing",
    [
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: 5, 6\r\n",
        b"content-length: +5\r\n",
        b"content-length: -1\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"transfer-encoding: chunked, gzip\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding : chunked\r\n",
        b"a: b\r\n c\r\n",
        b"a\x00: b\r\n",
        b"a: b\rc: d\r\n",
        b"\r\n"[:1] + b"a: b\r\n",
    ],
)
def test_a_request_that_two_could_read_differently_is_no_request(framing: bytes, gateway: Running) -> None:
    gateway.engine.says()
    said = told(gateway, POST + framing + b"\r\n5\r\nhello\r\n0\r\n\r\n")
    assert (status_of(said), error_in(said)["code"]) == (400, "invalid_http")
    assert said.count(b"HTTP/1.1 ") == 1
    assert not gateway.engine.requests


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n", b"-1\r\n", b"5\r\nhelloX", b"fffffffffffffffff\r\n", b"5;\x00\r\nhello\r\n"]
)
def test_chunks_that_are_none_end_the_connection(chunks: bytes, gateway: Running) -> None:
    gateway.engine.says()
    assert b"200 OK" not in told(gateway, POST + b"transfer-encoding: chunked\r\n\r\n" + chunks)
    assert nothing_is_open(gateway)
    assert not gateway.engine.requests


def test_a_body_too_large_in_chunks_is_a_413(gateway: Running) -> None:
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    said = told(gateway, POST + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 20)
    assert status_of(said) == 413


def test_the_length_that_is_told_alone_costs_nothing(gateway: Running) -> None:
    said = told(gateway, POST + b"content-length: 1000000000000\r\n\r\n" + b" " * 20_000)
    assert status_of(said) == 413


def test_a_body_in_the_smallest_chunks_is_read_as_it_was_meant(gateway: Running) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in ASKED) + b"0\r\n\r\n"
    close = b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert status_of(told(gateway, POST + close + chunks)) == 200


def test_requests_that_come_together_are_answered_in_their_order(gateway: Running) -> None:
    gateway.engine.says("first")
    models = b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + KEY + b"\r\n"
    said = told(gateway, WHOLE + b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" + models)
    answers = [said.index(mark) for mark in (b'"first"', b'"status":"ok"', b'"object":"list"')]
    assert answers == sorted(answers)
    assert said.count(b"HTTP/1.1 200 OK") == 3


def test_a_slow_answer_is_not_cut_off_by_what_came_too_early(gateway: Running) -> None:
    gateway.engine.says("slow and steady", before_answer=1.0)
    said = told(gateway, WHOLE + b"GET /health HTTP/1.1\r\n")
    assert b"slow and steady" in said
    assert b"HTTP/1.1 408" in said


def test_garbage_behind_a_request_becomes_no_part_of_its_answer(gateway: Running) -> None:
    gateway.engine.says("never mind", before_answer=0.3)
    said = told(gateway, WHOLE, b"\x00\x01garbage\r\n\r\n", between=0.1)
    assert said == b""
    assert until(lambda: gateway.engine.asked.state == "left", 1)


def test_an_upgrade_is_passed_over(gateway: Running) -> None:
    upgrade = b"connection: upgrade, close\r\nupgrade: h2c\r\n"
    said = told(gateway, b"GET /health HTTP/1.1\r\nhost: x\r\n" + upgrade + b"\r\nPRI * HTTP/2.0\r\n\r\n")
    assert status_of(said) == 200
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_crowd_of_dribblers_keeps_nobody_from_being_served(gateway: Running) -> None:
    crowd = [socket.create_connection(("127.0.0.1", gateway.server.port), timeout=5) for _ in range(200)]
    for each in crowd:
        each.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\na")
    with gateway.http() as http:
        assert http.post("/v1/chat/completions", content=ASKED).status_code == 200
    assert until(lambda: len(gateway.server.connections) <= 1, 5)
    for each in crowd:
        each.close()
