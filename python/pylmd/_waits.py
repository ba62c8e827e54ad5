"""How an event loop waits for the client, which runs on a thread of its own."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from ._native import Pending


class Waits:
    """Whoever waits on one event loop, by the tokens that the client's bell rings with."""

    def __init__(self) -> None:
        self.bell = _native.Bell()
        self._token = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}

    def token(self) -> int:
        self._token += 1
        return self._token

    async def rung(self, token: int) -> None:
        """Waits until the bell has rung with a token that it was given before, without an `await` in between."""
        self._waiting[token] = future = asyncio.get_running_loop().create_future()
        try:
            await future
        finally:
            self._waiting.pop(token, None)

    def ring(self) -> None:
        for token in self.bell.take():
            future = self._waiting.get(token)
            if future is not None and not future.done():
                future.set_result(None)


_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Waits] = weakref.WeakKeyDictionary()


def waits() -> Waits:
    """Those of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Waits()
        loop.add_reader(found.bell.fileno(), found.ring)
    return found


async def finish(pending: Pending) -> Any:
    """The answer of a call that was begun. Cancelled, it gives the call up."""
    here = waits()
    token = here.token()
    try:
        while (answer := pending.poll(here.bell, token)) is None:
            await here.rung(token)
    finally:
        pending.close()
    return answer[0]
