"""The same for asyncio: everything that waits is awaited, and jobs take and give iterators of either kind.

    async with pylmd.aio.connect() as node:
        async for result in node.map("server.count", texts, buffersize=2000):
            ...

It needs an event loop with `add_reader`: asyncio's own on Unix, or uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import _native
from ._waits import finish, waits

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Generator, Iterable
    from datetime import timedelta
    from types import TracebackType
    from typing import TypeAlias, Unpack

    from ._errors import MessageError
    from ._job import JobOptions
    from ._native import Done, Failed, Payload, Result, Sender

    Source: TypeAlias = Iterable[Payload] | AsyncIterable[Payload]

__all__ = ["Cache", "Job", "Node", "connect"]

T = TypeVar("T")

#: Values that are taken at once, and messages that are sent before others have their turn.
_BATCH = 256


class Cache:
    """The cache of a node, which clients and functions share: `bytes` under keys of text."""

    __slots__ = ("_client",)

    def __init__(self, client: _native.Client) -> None:
        self._client = client

    @overload
    async def get(self, key: str) -> bytes | None: ...
    @overload
    async def get(self, key: str, default: T) -> bytes | T: ...
    async def get(self, key: str, default: T | None = None) -> bytes | T | None:
        """The value of a key, or `default` where there is no such key."""
        value: bytes | None = await finish(self._client.begin_get(key))
        return default if value is None else value

    async def set(self, key: str, value: Payload) -> None:
        """Stores a value under a key."""
        if not key:
            raise ValueError("the empty key asks the node to choose one; add() returns it")
        await finish(self._client.begin_set(key, value))

    async def add(self, value: Payload) -> str:
        """Stores a value under a key that the node chooses, and returns the key."""
        key: str = await finish(self._client.begin_set("", value))
        return key

    async def delete(self, key: str) -> bool:
        """Deletes a key; whether it was there."""
        was_there: bool = await finish(self._client.begin_delete(key))
        return was_there


async def _send(sender: Sender, payloads: Source) -> None:
    """Sends all payloads as there is room, and finishes the job; where they raise, it is cancelled."""
    with sender:
        if isinstance(payloads, AsyncIterable):
            async for payload in payloads:
                await _send_one(sender, payload)
        else:
            for number, payload in enumerate(payloads, 1):
                await _send_one(sender, payload)
                if number % _BATCH == 0:
                    await asyncio.sleep(0)


async def _send_one(sender: Sender, payload: Payload) -> None:
    sent = sender.begin(payload)
    if not isinstance(sent, int):
        await finish(sent)


class Job:
    """A function of a node, with options; made by `Node.job`."""

    def __init__(self, client: _native.Client, function: str, ordered: bool, options: JobOptions) -> None:
        self._client = client
        self._function = function
        self._ordered = ordered
        self._given = options
        self._options = _native.Options(ordered=ordered, **options)

    # fmt: off
    @overload
    def stream(self, payloads: Source, *, buffersize: int | None = ..., views: Literal[False] = ...) -> AsyncIterator[Result[bytes] | Done | Failed]: ...
    @overload
    def stream(self, payloads: Source, *, buffersize: int | None = ..., views: Literal[True]) -> AsyncIterator[Result[memoryview] | Done | Failed]: ...
    # fmt: on
    def stream(self, payloads: Source, *, buffersize: int | None = None, views: bool = False) -> AsyncIterator[Any]:
        """As `pylmd.Job.stream`. A task sends the payloads while this is iterated, so a source may wait for anything."""
        return self._run(payloads, buffersize, self._ordered, "outputs", views)

    # fmt: off
    @overload
    def map(self, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[False] = ...) -> AsyncIterator[bytes]: ...
    @overload
    def map(self, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[False] = ...) -> AsyncIterator[bytes | MessageError]: ...
    @overload
    def map(self, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[True]) -> AsyncIterator[memoryview]: ...
    @overload
    def map(self, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[True]) -> AsyncIterator[memoryview | MessageError]: ...
    # fmt: on
    def map(
        self,
        payloads: Source,
        *,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        views: bool = False,
    ) -> AsyncIterator[Any]:
        """As `pylmd.Job.map`."""
        give = "failures" if return_exceptions else "results"
        return self._run(payloads, buffersize, ordered, give, views)

    async def _run(
        self, payloads: Source, buffersize: int | None, ordered: bool, give: str, views: bool
    ) -> AsyncIterator[Any]:
        options: JobOptions = {**self._given}
        if buffersize is not None:
            options["window"] = buffersize
        sender, outputs = self._client.open(
            self._function,
            _native.Options(ordered=ordered, **options),
            give=give,
            ordered=ordered and give != "outputs",
            view=views,
        )
        feeder = asyncio.create_task(_send(sender, payloads))
        here = waits()
        token = here.token()
        try:
            while (values := outputs.take(_BATCH, here.bell, token)) is not None:
                if not values:
                    await self._news(here.rung(token), feeder)
                for value in values:
                    yield value
            await feeder
        finally:
            feeder.cancel()
            outputs.close()
            # What the source raised was raised already, or is of no interest any more.
            with contextlib.suppress(BaseException):
                await feeder

    @staticmethod
    async def _news(rung: Any, feeder: asyncio.Task[None]) -> None:
        """Waits until something has come; raises what the source has raised."""
        waiting = asyncio.ensure_future(rung)
        try:
            if not feeder.done():
                await asyncio.wait([waiting, feeder], return_when=asyncio.FIRST_COMPLETED)
            if feeder.done():
                feeder.result()
                await waiting
        finally:
            waiting.cancel()

    @overload
    async def call(self, payload: Payload, *, views: Literal[False] = ...) -> bytes: ...
    @overload
    async def call(self, payload: Payload, *, views: Literal[True]) -> memoryview: ...
    async def call(self, payload: Payload, *, views: bool = False) -> bytes | memoryview:
        """Sends one message, and gives its only result."""
        result: bytes | memoryview = await finish(
            self._client.begin_call(self._function, payload, self._options, every=False, view=views)
        )
        return result

    async def call_all(self, payload: Payload) -> list[bytes]:
        """Sends one message, and gives its results in the order of their places."""
        results: list[bytes] = await finish(
            self._client.begin_call(self._function, payload, self._options, every=True, view=False)
        )
        return results

    def __repr__(self) -> str:
        return f"<pylmd.aio.Job {self._function!r}>"


class Node:
    """A connection to a node, made by `connect`. One event loop may use it at a time."""

    def __init__(self, client: _native.Client) -> None:
        self._client = client
        #: Where the node is.
        self.address = client.address
        #: The node's key-value store, which clients and functions share.
        self.cache = Cache(client)

    def job(self, function: str, *, ordered: bool = False, **options: Unpack[JobOptions]) -> Job:
        """A function, ``node.function``, and how its messages are to be done."""
        return Job(self._client, function, ordered, options)

    # fmt: off
    @overload
    def map(self, function: str, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[False] = ..., **options: Unpack[JobOptions]) -> AsyncIterator[bytes]: ...
    @overload
    def map(self, function: str, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[False] = ..., **options: Unpack[JobOptions]) -> AsyncIterator[bytes | MessageError]: ...
    @overload
    def map(self, function: str, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[True], **options: Unpack[JobOptions]) -> AsyncIterator[memoryview]: ...
    @overload
    def map(self, function: str, payloads: Source, *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[True], **options: Unpack[JobOptions]) -> AsyncIterator[memoryview | MessageError]: ...
    # fmt: on
    def map(
        self,
        function: str,
        payloads: Source,
        *,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        views: bool = False,
        **options: Unpack[JobOptions],
    ) -> AsyncIterator[Any]:
        """As `pylmd.Node.map`, for payloads of an iterator of either kind."""
        job = Job(self._client, function, False, options)
        return job.map(  # type: ignore[call-overload, no-any-return]  # pyright: ignore
            payloads, buffersize=buffersize, ordered=ordered, return_exceptions=return_exceptions, views=views
        )

    async def call(self, function: str, payload: Payload, **options: Unpack[JobOptions]) -> bytes:
        """Sends one message, and gives its only result."""
        return await Job(self._client, function, False, options).call(payload)

    async def call_all(self, function: str, payload: Payload, **options: Unpack[JobOptions]) -> list[bytes]:
        """Sends one message, and gives its results in the order of their places."""
        return await Job(self._client, function, False, options).call_all(payload)

    @property
    def status(self) -> str:
        """How things are with the connection: ``connected``, ``reconnecting`` or ``stopped``."""
        return self._client.status

    async def close(self) -> None:
        """Says goodbye. What has not ended is cancelled."""
        await finish(self._client.begin_close())

    async def __aenter__(self) -> Node:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<pylmd.aio.Node {self.address}>"


class _Connecting:
    """What `connect` gives: to be awaited, or the head of an `async with`."""

    def __init__(self, pending: _native.Pending) -> None:
        self._pending = pending
        self._node: Node | None = None

    async def _connect(self) -> Node:
        return Node(await finish(self._pending))

    def __await__(self) -> Generator[Any, None, Node]:
        return self._connect().__await__()

    async def __aenter__(self) -> Node:
        self._node = await self._connect()
        return self._node

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._node is not None:
            await self._node.close()


def connect(
    address: str | None = None,
    *,
    access: str | os.PathLike[str] | None = None,
    name: str = "python",
    patience: float | timedelta = 5.0,
    max_message: int | None = None,
) -> _Connecting:
    """As `pylmd.connect`; to be awaited, or used with ``async with``."""
    software = f"pylmd for Python {_native.__version__}"
    pending = _native.Client.begin_connect(
        address, access=access, name=name, software=software, patience=patience, max_message=max_message
    )
    return _Connecting(pending)
