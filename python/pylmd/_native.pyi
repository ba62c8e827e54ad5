from collections.abc import Iterable
from concurrent.futures import Future
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer

__version__: Final[str]

Payload: TypeAlias = Buffer | str
P_co = TypeVar("P_co", bytes, memoryview, covariant=True)

@final
class Result(Generic[P_co]):
    """One result of a message. No place of a message comes twice."""

    __match_args__: Final = ("number", "place", "payload")
    @property
    def number(self) -> int:
        """Which message of the job it is of: the first has 0."""
    @property
    def place(self) -> tuple[int, ...]:
        """Where it stands among the results of its message, the same in every run of it."""
    @property
    def payload(self) -> P_co:
        """Its bytes, or a `memoryview` of them where that was asked for."""

@final
class Done:
    """A message is done: all its results have come."""

    __match_args__: Final = ("number", "results")
    @property
    def number(self) -> int: ...
    @property
    def results(self) -> int: ...

@final
class Failed:
    """A message has failed, for good."""

    __match_args__: Final = ("number", "code", "text", "payload")
    @property
    def number(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def key(self) -> str | None: ...

@final
class Stream(Generic[P_co]):
    """An iterator over what becomes of the messages of a job."""

    def __iter__(self) -> Stream[P_co]: ...
    def __next__(self) -> Result[P_co] | Done | Failed: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def take(self, most: int, bell: Bell, token: int) -> list[Any] | None: ...

@final
class Sender:
    """Submits the messages of a job; any thread may. As a context manager it finishes the job, or cancels it on an exception."""

    @property
    def identity(self) -> str: ...
    def send(self, payload: Payload, *, key: str | None = None) -> int: ...
    def begin(self, payload: Payload, *, key: str | None = None) -> int | Pending: ...
    def finish(self) -> None: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Sender: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

@final
class Options:
    def __new__(
        cls,
        *,
        timeout: float | timedelta | None = None,
        deadline: float | timedelta | None = None,
        retries: int = 0,
        priority: int = 0,
        ordered: bool = False,
        pipeline: str | None = None,
        window: int | None = None,
        window_bytes: int | None = None,
    ) -> Options: ...

@final
class Bell:
    def __new__(cls) -> Bell: ...
    def fileno(self) -> int: ...
    def take(self) -> list[int]: ...

@final
class Pending:
    def poll(self, bell: Bell, token: int) -> tuple[Any] | None: ...
    def close(self) -> None: ...

@final
class Lane:
    def submit(self, payload: Payload, future: Future[Any], every: bool, is_reader: bool) -> None: ...

@final
class Reader:
    def __new__(cls) -> Reader: ...
    def take(self) -> list[tuple[Future[Any], Any, BaseException | None]]: ...
    def close(self) -> None: ...

@final
class Client:
    @staticmethod
    def connect(
        address: str | None,
        *,
        access: str | PathLike[str] | None,
        name: str,
        software: str,
        patience: float | timedelta,
        max_message: int | None,
    ) -> Client: ...
    @overload
    def call(self, function: str, payload: Payload, options: Options, view: Literal[False]) -> bytes: ...
    @overload
    def call(self, function: str, payload: Payload, options: Options, view: bool) -> bytes | memoryview: ...
    def call_all(self, function: str, payload: Payload, options: Options, view: bool) -> list[bytes]: ...
    def stream(
        self,
        function: str,
        source: Iterable[Payload],
        options: Options,
        *,
        buffersize: int | None,
        give: str,
        ordered: bool,
        view: bool,
    ) -> Stream[Any]: ...
    def open(
        self, function: str, options: Options, *, give: str, ordered: bool, view: bool
    ) -> tuple[Sender, Stream[Any]]: ...
    @staticmethod
    def begin_connect(
        address: str | None,
        *,
        access: str | PathLike[str] | None,
        name: str,
        software: str,
        patience: float | timedelta,
        max_message: int | None,
    ) -> Pending: ...
    def begin_call(
        self, function: str, payload: Payload, options: Options, *, every: bool, view: bool
    ) -> Pending: ...
    def begin_get(self, key: str) -> Pending: ...
    def begin_set(self, key: str, value: Payload) -> Pending: ...
    def begin_delete(self, key: str) -> Pending: ...
    def begin_close(self) -> Pending: ...
    def attach(self, job: str, options: Options, view: bool) -> Stream[Any]: ...
    def lane(self, function: str, options: Options, reader: Reader) -> Lane: ...
    def cache_get(self, key: str) -> bytes | None: ...
    def cache_set(self, key: str, value: Payload) -> str: ...
    def cache_delete(self, key: str) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def max_message(self) -> int: ...
    def close(self) -> None: ...

def forked() -> None: ...
