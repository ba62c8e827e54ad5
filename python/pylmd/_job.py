"""What to do with messages: a function, and how it is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from . import _native

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from datetime import timedelta

    from ._errors import MessageError
    from ._native import Lane, Payload, Sender, Stream
    from ._node import Node


class JobOptions(TypedDict, total=False):
    """How a job is to be done. Times are seconds or a `timedelta`.

    - ``timeout``: how long each message may take; it then fails with code ``timeout``.
    - ``deadline``: how long all of the job may take, from its opening on.
    - ``retries``: how often a message that fails is run again.
    - ``priority``: with each step from 0 to 10, twice as much of what several jobs wait for.
    - ``pipeline``: the field of this name of the messages, which functions can read.
    - ``window``, ``window_bytes``: messages, and bytes of them, that the job holds at most from their sending to their end, and
      as many results that wait to be read; 32,768 and 64 MiB.
    """

    timeout: float | timedelta | None
    deadline: float | timedelta | None
    retries: int
    priority: int
    pipeline: str | None
    window: int | None
    window_bytes: int | None


class Job:
    """A function of a node, with options; made by `Node.job`. It can be used any number of times, by any thread.

    >>> job = node.job("server.shout", timeout=10, retries=2)
    >>> job.call("hello")
    b'HELLO'
    """

    def __init__(self, node: Node, function: str, ordered: bool, options: JobOptions) -> None:
        self._node = node
        self._function = function
        self._options = _native.Options(ordered=ordered, **options)
        self._in_order = _native.Options(ordered=True, **options)
        self._ordered = ordered
        self._lane: Lane | None = None

    # fmt: off
    @overload
    def stream(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., views: Literal[False] = ...) -> Stream[bytes]: ...
    @overload
    def stream(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., views: Literal[True]) -> Stream[memoryview]: ...
    # fmt: on
    def stream(self, payloads: Iterable[Payload], *, buffersize: int | None = None, views: bool = False) -> Stream[Any]:
        """Sends every payload, and gives all that becomes of them, as it comes: an iterator of `Result`, `Done` and `Failed`.

        A message has any number of results and then one end, `Done` or `Failed`. With ``ordered=True`` the messages' outputs come
        in the order of the messages. Payloads are pulled on the thread that iterates, while fewer than `buffersize` messages
        have no end. What `payloads` raises comes out of the iterator; then, and when it is closed or thrown away, the job is
        cancelled. With `views`, payloads of results are `memoryview`s that are not copied.

        >>> for output in node.job("server.shout", ordered=True).stream(["a", "b"]):
        ...     print(output)
        Result(number=0, place=(), payload=b'A')
        Done(number=0, results=1)
        Result(number=1, place=(), payload=b'B')
        Done(number=1, results=1)
        """
        client = self._node._client
        return client.stream(
            self._function, payloads, self._options, buffersize=buffersize, give="outputs", ordered=False, view=views
        )

    # fmt: off
    @overload
    def map(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[False] = ...) -> Iterator[bytes]: ...
    @overload
    def map(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[False] = ...) -> Iterator[bytes | MessageError]: ...
    @overload
    def map(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[True]) -> Iterator[memoryview]: ...
    @overload
    def map(self, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[True]) -> Iterator[memoryview | MessageError]: ...
    # fmt: on
    def map(
        self,
        payloads: Iterable[Payload],
        *,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        views: bool = False,
    ) -> Iterator[Any]:
        """As `Node.map`."""
        give = "failures" if return_exceptions else "results"
        options = self._in_order if ordered else self._options
        client = self._node._client
        return client.stream(
            self._function, payloads, options, buffersize=buffersize, give=give, ordered=ordered, view=views
        )

    @overload
    def call(self, payload: Payload, *, views: Literal[False] = ...) -> bytes: ...
    @overload
    def call(self, payload: Payload, *, views: Literal[True]) -> memoryview: ...
    def call(self, payload: Payload, *, views: bool = False) -> bytes | memoryview:
        """As `Node.call`."""
        return self._node._client.call(self._function, payload, self._options, views)

    def call_all(self, payload: Payload) -> list[bytes]:
        """As `Node.call_all`."""
        return self._node._client.call_all(self._function, payload, self._options, False)

    def submit(self, payload: Payload) -> Future[bytes]:
        """As `Node.submit`."""
        return self._node._futures().submit(self._own_lane(), payload, False)

    def submit_all(self, payload: Payload) -> Future[list[bytes]]:
        """As `Node.submit_all`."""
        return self._node._futures().submit(self._own_lane(), payload, True)

    def _own_lane(self) -> Lane:
        lane = self._lane
        if lane is None:
            lane = self._lane = self._node._client.lane(self._function, self._options, self._node._futures().reader)
        return lane

    @overload
    def open(self, *, views: Literal[False] = ...) -> tuple[Sender, Stream[bytes]]: ...
    @overload
    def open(self, *, views: Literal[True]) -> tuple[Sender, Stream[memoryview]]: ...
    def open(self, *, views: bool = False) -> tuple[Sender, Stream[Any]]:
        """Opens the job in two halves, for one thread that sends and another that reads.

        A sender waits for room, which results that are read make: one thread alone must not send more than the job's window
        before it reads.

        >>> sender, outputs = node.job("server.shout").open()
        >>> with sender:
        ...     sender.send("hello")
        0
        >>> [type(output).__name__ for output in outputs]
        ['Result', 'Done']
        """
        client = self._node._client
        return client.open(self._function, self._options, give="outputs", ordered=False, view=views)

    def __repr__(self) -> str:
        return f"<pylmd.Job {self._function!r}>"
