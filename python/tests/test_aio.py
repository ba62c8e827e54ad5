"""The same for asyncio, with a node that stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from conftest import Server

import pylmd
import pylmd.aio


def run(server: Server, work: Callable[[pylmd.aio.Node], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with pylmd.aio.connect(server.address) as node:
            await work(node)

    asyncio.run(asyncio.wait_for(connected(), 60))


def test_calls_and_the_cache_are_awaited(shared: Server) -> None:
    async def work(node: pylmd.aio.Node) -> None:
        assert await asyncio.gather(*(node.call("server.echo", str(n)) for n in range(100))) == [
            b"%d" % n for n in range(100)
        ]
        assert await node.call_all("server.count", "2") == [b"0", b"1"]
        await node.cache.set("async", b"1")
        assert (await node.cache.get("async"), await node.cache.get("none", 7)) == (b"1", 7)
        assert await node.cache.delete("async") and not await node.cache.delete("async")
        with pytest.raises(pylmd.MessageError, match="panicked"):
            await node.call("server.panic", b"oh")

    run(shared, work)


def test_jobs_take_and_give_iterators_of_either_kind(shared: Server) -> None:
    async def asynchronous() -> AsyncIterator[bytes]:
        for number in range(3000):
            yield b"%d" % number

    async def work(node: pylmd.aio.Node) -> None:
        expected = [b"%d" % number for number in range(3000)]
        assert [result async for result in node.map("server.echo", asynchronous(), buffersize=50)] == expected
        assert [result async for result in node.map("server.echo", expected)] == expected
        outputs = [output async for output in node.job("server.count", ordered=True).stream(["1", "x"])]
        assert [type(output).__name__ for output in outputs] == ["Result", "Done", "Failed"]
        with pytest.raises(pylmd.MessageError) as raised:
            async for _ in node.map("server.count", ["x"]):
                pass
        assert raised.value.payload == b"x"

    run(shared, work)


def test_a_slow_reader_holds_the_source_back(shared: Server) -> None:
    async def work(node: pylmd.aio.Node) -> None:
        pulled = 0

        def endless() -> Iterator[bytes]:
            nonlocal pulled
            while True:
                pulled += 1
                yield b"x"

        results = node.map("server.echo", endless(), buffersize=10)
        assert await anext(results) == b"x"
        await asyncio.sleep(0.5)
        # As many as may be under way, as many results as may wait, and what is on the way between.
        assert pulled < 100
        await results.aclose()  # type: ignore[attr-defined]  # pyright: ignore

    run(shared, work)


def test_results_come_while_the_source_waits(shared: Server) -> None:
    async def work(node: pylmd.aio.Node) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queue.put_nowait(b"0")

        async def echoes() -> AsyncIterator[bytes]:
            while True:
                yield await queue.get()

        async for result in node.map("server.echo", echoes()):
            if result == b"100":
                break
            queue.put_nowait(b"%d" % (int(result) + 1))

    run(shared, work)


def test_what_the_source_raises_comes_out(shared: Server) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"/dev/null"
        raise LookupError("no more")

    async def work(node: pylmd.aio.Node) -> None:
        with pytest.raises(LookupError, match="no more"):
            async for _ in node.map("server.until_cancelled", broken()):
                pass

    run(shared, work)


def test_a_cancelled_task_cancels_its_message(shared: Server) -> None:
    async def work(node: pylmd.aio.Node) -> None:
        calls = [asyncio.create_task(node.call("server.until_cancelled", "/dev/null")) for _ in range(4)]
        await asyncio.sleep(0.2)
        for call in calls:
            call.cancel()
        begin = time.monotonic()
        assert await node.call("server.echo", b"free", timeout=10) == b"free"
        assert time.monotonic() - begin < 10

    run(shared, work)


def test_a_node_that_is_not_there_is_said_so() -> None:
    async def connect() -> None:
        await pylmd.aio.connect("tcp://127.0.0.1:9", patience=0.2)

    with pytest.raises(pylmd.NoAnswerError):
        asyncio.run(connect())
