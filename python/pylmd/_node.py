"""A connection to a node."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal, overload

from . import _native
from ._cache import Cache
from ._futures import Futures
from ._job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from datetime import timedelta
    from types import TracebackType
    from typing import Unpack

    from ._errors import MessageError
    from ._job import JobOptions
    from ._native import Payload, Stream

#: The address at which a node listens unless it is told otherwise.
DEFAULT_ADDRESS = "tcp://127.0.0.1:5559"

#: Jobs that `submit` keeps open for the next message, for each node.
_OPEN_JOBS = 16

#: Nodes that are to be told goodbye when the interpreter ends.
_open: weakref.WeakSet[Node] = weakref.WeakSet()


class Node:
    """A connection to a node, made by `connect`. Any thread may use it; a forked process has to connect anew.

    Lost connections are made again, and messages that have not ended are sent again: every message gets its results, each once,
    and one end, whichever process dies meanwhile.
    """

    def __init__(self, client: _native.Client) -> None:
        self._client = client
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._resolver: Futures | None = None
        self._jobs: OrderedDict[Any, Job] = OrderedDict()
        #: The node's key-value store, which clients and functions share.
        self.cache = Cache(client)
        _open.add(self)

    def job(self, function: str, *, ordered: bool = False, **options: Unpack[JobOptions]) -> Job:
        """A function, ``node.function``, and how its messages are to be done; several of them with spaces between for a call in
        stages. `JobOptions` says what the options mean.

        >>> job = node.job("server.shout", timeout=10, retries=2, priority=3, ordered=True)
        """
        return Job(self, function, ordered, options)

    # fmt: off
    @overload
    def map(self, function: str, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[False] = ..., **options: Unpack[JobOptions]) -> Iterator[bytes]: ...
    @overload
    def map(self, function: str, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[False] = ..., **options: Unpack[JobOptions]) -> Iterator[bytes | MessageError]: ...
    @overload
    def map(self, function: str, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[False] = ..., views: Literal[True], **options: Unpack[JobOptions]) -> Iterator[memoryview]: ...
    @overload
    def map(self, function: str, payloads: Iterable[Payload], *, buffersize: int | None = ..., ordered: bool = ..., return_exceptions: Literal[True], views: Literal[True], **options: Unpack[JobOptions]) -> Iterator[memoryview | MessageError]: ...
    # fmt: on
    def map(
        self,
        function: str,
        payloads: Iterable[Payload],
        *,
        buffersize: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
        views: bool = False,
        **options: Unpack[JobOptions],
    ) -> Iterator[Any]:
        """Sends every payload, and gives the results: in the order of the payloads, unless `ordered` is false.

        Payloads are pulled as `Executor.map` does it, on the thread that iterates, while fewer than `buffersize` messages have no
        end (the job's window by default), so `payloads` may be endless. The first message that fails raises `MessageError` and
        ends the job, unless `return_exceptions` puts the exceptions where the results would be. Where a function has several
        results for a message, all of them come. With `views` they are `memoryview`s that are not copied.

        >>> list(node.map("server.shout", ["one", b"two"]))
        [b'ONE', b'TWO']
        """
        job = Job(self, function, False, options)
        return job.map(  # type: ignore[call-overload, no-any-return]  # pyright: ignore
            payloads, buffersize=buffersize, ordered=ordered, return_exceptions=return_exceptions, views=views
        )

    @overload
    def call(
        self, function: str, payload: Payload, *, views: Literal[False] = ..., **options: Unpack[JobOptions]
    ) -> bytes: ...
    @overload
    def call(
        self, function: str, payload: Payload, *, views: Literal[True], **options: Unpack[JobOptions]
    ) -> memoryview: ...
    def call(
        self, function: str, payload: Payload, *, views: bool = False, **options: Unpack[JobOptions]
    ) -> bytes | memoryview:
        """Sends one message, and returns its only result.

        >>> node.call("server.shout", "hello")
        b'HELLO'
        """
        return self._client.call(function, payload, _native.Options(**options), views)

    def call_all(self, function: str, payload: Payload, **options: Unpack[JobOptions]) -> list[bytes]:
        """Sends one message, and returns its results in the order of their places.

        >>> node.call_all("server.shout", "hello")
        [b'HELLO']
        """
        return self._client.call_all(function, payload, _native.Options(**options), False)

    def submit(self, function: str, payload: Payload, **options: Unpack[JobOptions]) -> Future[bytes]:
        """Sends one message, and returns a future of its only result.

        Waits while 32,768 messages of this function have no end. A future that is cancelled forgets its message, which is done all
        the same. Callbacks run on one thread for all futures of the node, and should not take long.

        >>> node.submit("server.shout", "hello").result()
        b'HELLO'
        """
        return self._submitting(function, options).submit(payload)

    def submit_all(self, function: str, payload: Payload, **options: Unpack[JobOptions]) -> Future[list[bytes]]:
        """As `submit`, with a future of all results, in the order of their places."""
        return self._submitting(function, options).submit_all(payload)

    def _submitting(self, function: str, options: JobOptions) -> Job:
        """The job of these options, which messages that are submitted one by one share."""
        key = (function, *sorted(options.items())) if options else function
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = Job(self._weak(), function, False, options)
                if len(self._jobs) > _OPEN_JOBS:
                    self._jobs.popitem(last=False)
            else:
                self._jobs.move_to_end(key)
            return job

    def _weak(self) -> Node:
        """Itself, for what it keeps: no circle, so that the node goes as soon as nobody has it."""
        proxy: Node = weakref.proxy(self)
        return proxy

    def _futures(self) -> Futures:
        futures = self._resolver
        if futures is None:
            with self._lock:
                futures = self._resolver = self._resolver or Futures()
        return futures

    def attach(self, job: str, **options: Unpack[JobOptions]) -> Stream[bytes]:
        """Takes over a job whose client has gone, by its identity: gives what is still to come of it."""
        return self._client.attach(job, _native.Options(**options), False)

    @property
    def address(self) -> str:
        """Where the node is."""
        return self._client.address

    @property
    def status(self) -> str:
        """How things are with the connection: ``connected``, ``reconnecting`` or ``stopped``."""
        return self._client.status

    @property
    def max_message(self) -> int:
        """The largest payload that the node takes, in bytes."""
        return self._client.max_message

    def close(self) -> None:
        """Says goodbye. What has not ended is cancelled, and its futures raise `ClosedError`."""
        if os.getpid() == self._process:
            self._client.close()
            if self._resolver is not None:
                self._resolver.close()
        _open.discard(self)

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<pylmd.Node {self.address}>"


def connect(
    address: str | None = None,
    *,
    access: str | os.PathLike[str] | None = None,
    name: str = "python",
    patience: float | timedelta = 5.0,
    max_message: int | None = None,
) -> Node:
    """Connects to the node whose db socket is at `address` (`DEFAULT_ADDRESS`), and waits `patience` seconds for its greeting.

    `access` is the file of ``pylm access grant`` for a node's encrypted door; it says where that is, so there is no address with it. The file
    in ``$XDG_CONFIG_HOME/pylm/access`` that is for `address` is found by itself.

    `name` stands in the node's logs and tables. Results of more than `max_message` bytes (128 MiB) are not accepted.

    >>> with pylmd.connect(address) as node:
    ...     node.call("server.shout", "hello")
    b'HELLO'
    """
    software = f"pylmd for Python {_native.__version__}"
    client = _native.Client.connect(
        address, access=access, name=name, software=software, patience=patience, max_message=max_message
    )
    return Node(client)


def _close_all() -> None:
    for node in list(_open):
        node.close()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_native.forked)
