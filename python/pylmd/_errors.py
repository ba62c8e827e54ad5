"""What can go wrong, as exceptions: all are an `Error`."""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """What the client or its node says; every exception of this package is one."""


class ConnectError(Error, ConnectionError):
    """There is no such node, or it cannot be used from here."""


class NoAnswerError(ConnectError, TimeoutError):
    """No node answered in time."""


class ClosedError(Error):
    """The node was closed here; connect again."""


class ForkedError(Error):
    """A forked process uses what its parent has connected; connect anew in the child."""

    def __init__(self, text: str = "this belongs to the parent process; call pylmd.connect() in the child") -> None:
        super().__init__(text)


class JobCancelledError(Error):
    """The job was cancelled, here or at the node, and takes no more messages."""


class JobFinishedError(Error):
    """The job was finished, and takes no more messages."""


class AttachError(Error):
    """The job to attach to is not there, is in use, or is perhaps not whole any more."""


class TooLargeError(Error, ValueError):
    """A payload, name or key is larger than the node takes."""


class CacheRefusedError(Error):
    """The cache refuses a change: it is full, or the node keeps that key for itself."""


class ResultCountError(Error):
    """A function gave none or several results where one was asked for."""

    def __init__(self, results: int) -> None:
        super().__init__(f"the message has {results} results, not 1; call_all and submit_all give all of them")
        #: How many results there were.
        self.results = results

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.results,)


class MessageError(Error):
    """A message failed, for good: its function raised or panicked, all hosts that took it died, its time was over, …"""

    def __init__(self, code: str, text: str, number: int = 0, payload: bytes = b"") -> None:
        super().__init__(f"message {number}: {code}: {text}")
        #: Why, in one word of the protocol, such as ``failed`` or ``unknown-function``.
        self.code = code
        #: What happened.
        self.text = text
        #: Which message of its job it is: the first has 0.
        self.number = number
        #: What was submitted, to be kept, repaired, or submitted again.
        self.payload = payload

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.text, self.number, self.payload)


class MessageTimeoutError(MessageError, TimeoutError):
    """The time that a message, or its job, may take was over."""


def message_failed(code: str, text: str, number: int = 0, payload: bytes = b"") -> MessageError:
    """The exception for a message that failed with this code."""
    kind = MessageTimeoutError if code == "timeout" else MessageError
    return kind(code, text, number, payload)
