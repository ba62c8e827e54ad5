"""Signals, exits, forks and garbage: what a program does beside its work."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import PROGRAMS, Server

import pylmd


def wait_until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def status(server: Server) -> str:
    """What `pylm jobs` says of the node."""
    command = [str(PROGRAMS / "pylm"), "jobs", "--db", server.address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def run(server: Server, program: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Runs a program that has `node`, in an interpreter of its own."""
    text = f"import pylmd\nnode = pylmd.connect({server.address!r}, name='program')\n{program}"
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=timeout)


def call(node: pylmd.Node) -> object:
    return node.call("server.until_cancelled", b"/dev/null")


def map_(node: pylmd.Node) -> object:
    return list(node.map("server.until_cancelled", [b"/dev/null"]))


def stream(node: pylmd.Node) -> object:
    return list(node.job("server.until_cancelled").stream([b"/dev/null"]))


@pytest.mark.parametrize("wait", [call, map_, stream])
def test_ctrl_c_ends_a_wait_at_once(shared: Server, node: pylmd.Node, wait: Callable[[pylmd.Node], object]) -> None:
    struck = ended = 0.0

    def strike() -> None:
        nonlocal struck
        time.sleep(0.3)
        struck = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=strike)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        try:
            wait(node)
        finally:
            ended = time.monotonic()
            thread.join()
    assert ended - struck < 0.5
    # The host is free again: the job was cancelled.
    assert node.call("server.echo", b"next", timeout=10) == b"next"


def test_a_node_that_nobody_has_says_goodbye(shared: Server) -> None:
    client = pylmd.connect(shared.address, name="forgotten")
    results = client.map("server.echo", [b"x"])
    assert next(results) == b"x"
    client.submit("server.echo", b"y").result(10)
    threads = {thread.name for thread in threading.enumerate()}
    assert "pylmd-futures" in threads
    del client, results
    gc.collect()
    wait_until("its thread has ended", lambda: native_threads().count("pylm-client") == 0)
    wait_until("its futures' thread has ended", lambda: "pylmd-futures" not in {t.name for t in threading.enumerate()})


def native_threads() -> list[str]:
    """The names of all threads of this process."""
    names: list[str] = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as name:
                names.append(name.read().strip())
        except OSError:
            pass
    return names


def test_what_is_thrown_away_cancels_its_job(shared: Server, node: pylmd.Node) -> None:
    sender, outputs = node.job("server.until_cancelled").open()
    for _ in range(4):
        sender.send("/dev/null")
    del sender, outputs
    gc.collect()
    assert node.call("server.echo", b"free", timeout=10) == b"free"


def test_a_program_ends_whatever_is_open(shared: Server) -> None:
    ended = run(
        shared,
        "future = node.submit('server.until_cancelled', b'/dev/null')\n"
        "results = node.map('server.echo', (b'x' for _ in iter(int, 1)))\n"
        "print(next(results))",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "b'x'\n", "")
    wait_until("its job is over", lambda: "until_cancelled" not in status(shared))


def test_a_thread_that_waits_for_ever_does_not_keep_a_program(shared: Server) -> None:
    ended = run(
        shared,
        "import threading, time\n"
        "threading.Thread(target=lambda: node.call('server.until_cancelled', b'/dev/null'), daemon=True).start()\n"
        "time.sleep(0.3)",
    )
    assert ended.returncode == 0


def test_a_forked_child_is_told_to_connect_anew(shared: Server) -> None:
    ended = run(
        shared,
        "import os\n"
        "node.submit('server.echo', b'').result(10)\n"
        "results = node.map('server.echo', [b'1', b'2', b'3'])\n"
        "print(next(results), flush=True)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    for call in (lambda: node.call('server.echo', b''), lambda: next(results), lambda: node.submit('server.echo', b'')):\n"
        "        try:\n"
        "            call()\n"
        "        except pylmd.ForkedError as error:\n"
        "            print(error, flush=True)\n"
        "    with pylmd.connect(node.address) as own:\n"
        "        print(own.call('server.echo', b'child'), flush=True)\n"
        "else:\n"
        "    print(os.waitpid(child, 0)[1], list(results), node.call('server.echo', b'parent'))\n",
    )
    assert ended.stderr == ""
    said = ended.stdout.splitlines()
    assert said[0] == "b'1'"
    assert all("connect" in line for line in said[1:4]), said
    assert said[4:] == ["b'child'", "0 [b'2', b'3'] b'parent'"]


def test_a_source_that_uses_its_own_iterator_is_told_so(node: pylmd.Node) -> None:
    circle: list[Iterator[bytes]] = []

    def source() -> Iterator[bytes]:
        yield b"1"
        next(circle[0])

    circle.append(node.map("server.echo", source()))
    with pytest.raises(RuntimeError, match="in use"):
        list(circle[0])


def test_many_large_messages_leave_no_memory_behind(node: pylmd.Node) -> None:
    def resident() -> int:
        with open("/proc/self/statm") as numbers:
            return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stream(messages: int) -> None:
        payload = memoryview(bytes(1 << 20))
        for view in node.map("server.echo", (payload for _ in range(messages)), buffersize=8, views=True):
            assert len(view) == 1 << 20

    stream(50)
    before = resident()
    stream(500)
    assert resident() - before < 100 << 20
