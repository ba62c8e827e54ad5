"""`kill -9` of a node and its hosts beneath a map: each result once."""

from __future__ import annotations

import os
import threading
import time

from conftest import Server

import pylmd

#: How many messages; a million by hand.
MESSAGES = int(os.environ.get("PYLM_TEST_MESSAGES", "200000"))


def test_each_result_comes_once_whoever_is_killed(server: Server) -> None:
    taken = 0
    over = threading.Event()
    strikes = 0

    def strike() -> None:
        nonlocal strikes
        while not over.wait(0.7):
            begin = taken
            if strikes % 2:
                server.kill_and_start_again()
            else:
                server.hosts.pop(0).kill()
                server.add_host()
            strikes += 1
            # The next blow only when the map goes on, so that it ends.
            while taken == begin and not over.wait(0.02):
                pass

    with pylmd.connect(server.address) as node:
        striker = threading.Thread(target=strike)
        striker.start()
        try:
            begin = time.monotonic()
            for result in node.map("server.echo", (b"%d" % number for number in range(MESSAGES))):
                assert result == b"%d" % taken
                taken += 1
        finally:
            over.set()
            striker.join(60)
        print(f"{taken} messages, {strikes} blows, {time.monotonic() - begin:.1f} s")
    assert taken == MESSAGES
    assert strikes > 0


def test_futures_survive_a_killed_node(server: Server) -> None:
    with pylmd.connect(server.address) as node:
        futures = [node.submit("server.slow_echo", b"%d" % number) for number in range(200)]
        server.kill_and_start_again()
        assert [future.result(60) for future in futures] == [b"%d" % number for number in range(200)]
