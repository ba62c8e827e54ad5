"""Real nodes and hosts for the tests: the programs that PYLM_TEST_PROGRAMS names, as a folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pylmd
import pylmd._cache
import pylmd._job
import pylmd._node

PROGRAMS = Path(os.environ["PYLM_TEST_PROGRAMS"])
START = 30.0
ADDRESSES = ("pull", "pub", "worker-pull", "worker-push", "db")


class Process:
    """A program that says that it is ready, in a process group of its own, which is killed at the end."""

    def __init__(self, *command: str, folder: Path = PROGRAMS) -> None:
        self._folder = tempfile.TemporaryDirectory()
        path = os.path.join(self._folder.name, "ready")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(path)
            ready.settimeout(0.1)
            end = time.monotonic() + START
            # No more than a login has: neither cargo nor a virtual environment.
            environment = {"PATH": "/usr/bin:/bin", "HOME": self._folder.name, "NOTIFY_SOCKET": path}
            self.process = subprocess.Popen(
                [folder / command[0], *command[1:]], env=environment, start_new_session=True, stdin=subprocess.DEVNULL
            )
            said: list[bytes] = []
            while b"READY=1" not in said:
                try:
                    said = ready.recv(1 << 18).split(b"\n")
                except TimeoutError:
                    assert self.process.poll() is None, f"{command[0]} has ended with {self.process.returncode}"
                    assert time.monotonic() < end, f"{command[0]} is not ready"
        facts = next(line for line in said if line.startswith(b"X_PYLMD="))
        self.ready: dict[str, Any] = json.loads(facts.removeprefix(b"X_PYLMD="))

    def kill(self) -> None:
        """As `kill -9` of it and all that it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(START)
        self._folder.cleanup()

    def end(self) -> None:
        """As Ctrl-C does it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START)


class Server:
    """A node and hosts of it."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self._addresses = dict.fromkeys(ADDRESSES, "tcp://127.0.0.1:0")
        self.node: Process = self._start()
        self._addresses = {name: self.node.ready[name.replace("-", "_")] for name in ADDRESSES}
        self.address: str = self._addresses["db"]
        self.hosts: list[Process] = []

    def _start(self) -> Process:
        where = [part for name, address in self._addresses.items() for part in (f"--{name}", address)]
        return Process("pylmd", *where, *self._flags)

    def kill_and_start_again(self) -> None:
        self.node.kill()
        self.node = self._start()

    def add_host(self, *flags: str) -> Process:
        plugin = str(PROGRAMS / "libtesting.so")
        shout = str(PROGRAMS / "libshout.so")
        host = Process("pylm-worker", "--db", self.address, "--plugin", plugin, "--plugin", shout, *flags)
        self.hosts.append(host)
        return host

    def end(self) -> None:
        for process in [*self.hosts, self.node]:
            process.kill()


@pytest.fixture
def server() -> Iterator[Server]:
    """A node and two hosts of the test's own."""
    server = Server()
    try:
        server.add_host()
        server.add_host()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="session")
def shared() -> Iterator[Server]:
    """A node and a host for tests that leave them as they are."""
    server = Server()
    try:
        server.add_host("--slots", "2")
        yield server
    finally:
        server.end()


@pytest.fixture
def node(shared: Server) -> Iterator[pylmd.Node]:
    with pylmd.connect(shared.address) as node:
        yield node


@pytest.fixture(params=[pylmd._node, pylmd._job, pylmd._cache], ids=lambda module: module.__name__)
def documented(request: pytest.FixtureRequest) -> ModuleType:
    """A module whose docstrings have examples."""
    module: ModuleType = request.param
    return module
