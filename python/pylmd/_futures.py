"""Futures of single messages, and the thread that resolves them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from ._native import Lane, Payload

#: How long the last futures may take to be resolved at the end of the interpreter, in seconds.
_LAST = 5.0


class Futures:
    """The thread that waits for all messages of a node that have a future."""

    def __init__(self) -> None:
        self.reader = _native.Reader()
        self._process = os.getpid()
        # Knows nothing of the node, so that one that nobody has any more can go.
        self._thread = threading.Thread(target=_resolve, args=(self.reader,), name="pylmd-futures", daemon=True)
        self._thread.start()

    def submit(self, lane: Lane, payload: Payload, every: bool) -> Future[Any]:
        """A future of the only result of a message, or of `every` one."""
        future: Future[Any] = Future()
        lane.submit(payload, future, every, threading.get_ident() == self._thread.ident)
        return future

    def close(self) -> None:
        """Resolves what is left, and ends the thread."""
        if os.getpid() == self._process:
            self.reader.close()
            if threading.get_ident() != self._thread.ident:
                self._thread.join(_LAST)

    def __del__(self) -> None:
        if os.getpid() == self._process:
            self.reader.close()


def _resolve(reader: _native.Reader) -> None:
    while _resolve_next(reader):
        # Nothing of the last ones is kept while the next are waited for.
        pass


def _resolve_next(reader: _native.Reader) -> bool:
    ends = reader.take()
    for future, value, error in ends:
        if not future.set_running_or_notify_cancel():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
    return bool(ends)
