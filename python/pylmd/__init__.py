"""Streams messages through the functions of a `pylmd` node, and their results back: nothing is lost, nothing comes twice.

    import pylmd

    with pylmd.connect() as node:
        for result in node.map("server.count", texts, buffersize=2000):
            ...

A node, its worker hosts and their plugins are run by the programs `pylmd` and `pylm-worker`.
"""

from . import aio
from ._cache import Cache
from ._errors import (
    AttachError,
    CacheRefusedError,
    ClosedError,
    ConnectError,
    Error,
    ForkedError,
    JobCancelledError,
    JobFinishedError,
    MessageError,
    MessageTimeoutError,
    NoAnswerError,
    ResultCountError,
    TooLargeError,
)
from ._job import Job, JobOptions
from ._native import Done, Failed, Result, Sender, Stream, __version__
from ._node import DEFAULT_ADDRESS, Node, connect

__all__ = [
    "DEFAULT_ADDRESS",
    "AttachError",
    "Cache",
    "CacheRefusedError",
    "ClosedError",
    "ConnectError",
    "Done",
    "Error",
    "Failed",
    "ForkedError",
    "Job",
    "JobCancelledError",
    "JobFinishedError",
    "JobOptions",
    "MessageError",
    "MessageTimeoutError",
    "NoAnswerError",
    "Node",
    "Result",
    "ResultCountError",
    "Sender",
    "Stream",
    "TooLargeError",
    "__version__",
    "aio",
    "connect",
]
