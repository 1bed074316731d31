"""Connections to an engine: each answer to whoever asked, kept while they are good, and a limit on every wait."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing

import pytest

from gateway.engines.connection import HIGH_WATER, BrokenOff, TooSlow, Unreachable
from gateway.engines.http import read
from gateway.engines.origin import Origin, Origins

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]


def whole(body: bytes, *headers: bytes) -> bytes:
    told = b"".join(b"%b\r\n" % header for header in headers)
    return b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (told, len(body), body)


async def request(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """The next request's line and body; None when nobody asks any more."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head.split(b"\r\n")[0], await reader.readexactly(length)


@asynccontextmanager
async def served(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[tuple[Origin, list[int]]]:
    """An origin, and how many requests came over each connection; None hangs up instead of answering."""
    counts: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(counts)
        counts.append(0)
        with closing(writer):
            while (asked := await request(reader)) is not None:
                counts[number] += 1
                said = answer(asked[1])
                if said is None:
                    return
                writer.write(said)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Origins() as origins:
        yield origins.at(f"http://127.0.0.1:{port}/v1", {"x": "y"}, 1.0), counts


async def ask(origin: Origin, body: bytes, seconds: float = 1.0) -> bytes:
    async with origin.asked("POST", "/v1/x", body, seconds) as answer:
        return await read(answer, seconds)


async def test_every_answer_goes_to_whoever_asked() -> None:
    async with served(lambda body: whole(b"to " + body)) as (origin, counts):

        async def client(name: int) -> None:
            for turn in range(50):
                said = b"%d/%d" % (name, turn)
                assert await ask(origin, said) == b"to " + said

        await asyncio.gather(*map(client, range(16)))
    assert sum(counts) == 16 * 50
    assert len(counts) == 16


async def test_a_connection_that_went_stale_is_no_failure() -> None:
    answers = iter([whole(b"one"), None, whole(b"two")])
    async with served(lambda _: next(answers)) as (origin, counts):
        assert [await ask(origin, b"") for _ in range(2)] == [b"one", b"two"]
    assert counts == [2, 1]


async def test_a_fresh_connection_that_breaks_is_one() -> None:
    async with served(lambda _: None) as (origin, _):
        with pytest.raises(BrokenOff):
            await ask(origin, b"")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_half_an_answer_and_garbage_are_told(said: bytes) -> None:
    answers = iter([said, None])
    async with served(lambda _: next(answers)) as (origin, _):
        async with asyncio.timeout(3):
            with pytest.raises((BrokenOff, TooSlow)):
                await ask(origin, b"", 0.1)


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server, Origins() as origins:
        port = server.sockets[0].getsockname()[1]
        assert await ask(origins.at(f"http://127.0.0.1:{port}", {}, 1.0), b"") == b"all of it"


async def test_an_interim_answer_is_none() -> None:
    async with served(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"done")) as (origin, _):
        assert await ask(origin, b"") == b"done"


async def test_nobody_there_is_told_at_once() -> None:
    async with Origins() as origins:
        with pytest.raises(Unreachable):
            await ask(origins.at("http://127.0.0.1:9/v1", {}, 1.0), b"")


async def test_silence_has_its_limit() -> None:
    async with served(lambda _: b"") as (origin, _):
        with pytest.raises(TooSlow):
            await ask(origin, b"", 0.05)


async def test_who_does_not_read_is_not_sent_more() -> None:
    piece = b"x" * 65_536
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1000 * len(piece)))
        for _ in range(1000):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server, Origins() as origins:
        port = server.sockets[0].getsockname()[1]
        origin = origins.at(f"http://127.0.0.1:{port}", {}, 1.0)
        async with origin.asked("POST", "/", b"", 1.0) as answer:
            await asyncio.sleep(0.2)
            assert answer._waiting_bytes < HIGH_WATER + 1_000_000
            assert sent < 1000 * len(piece) // 2
            assert await answer.piece(1.0)


async def test_an_answer_left_unread_is_hung_up_on() -> None:
    async with served(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf") as (origin, counts):
        async with origin.asked("POST", "/", b"", 1.0):
            pass
        assert not origin._idle
        assert counts == [1]


async def test_a_connection_on_which_nobody_was_asked_and_something_was_said_is_not_used_again() -> None:
    async with served(lambda body: whole(b"to " + body) + b"HTTP/1.1 408 Too") as (origin, counts):
        assert await ask(origin, b"one") == b"to one"
        await asyncio.sleep(0.02)
        assert await ask(origin, b"two") == b"to two"
        assert counts == [1, 1]


async def test_a_head_that_dribbles_has_the_same_limit() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await request(reader)
            for byte in b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(dribble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Origins() as origins:
        with pytest.raises(TooSlow):
            await ask(origins.at(f"http://127.0.0.1:{port}/v1", {}, 1.0), b"x", seconds=0.2)


async def test_garbage_after_a_whole_answer_spoils_only_the_connection() -> None:
    async with served(lambda body: whole(b"to " + body) + b"\0\0") as (origin, counts):
        assert await ask(origin, b"one") == b"to one"
        assert await ask(origin, b"two") == b"to two"
        assert counts == [1, 1]
