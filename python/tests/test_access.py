"""The encrypted door of a node, with an access file and without."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROGRAMS, Server

import pylmd


class Sealed:
    """A node with an encrypted door and a host, and a client's access file."""

    def __init__(self, folder: Path) -> None:
        state = str(folder / "state")
        self.server = Server("--listen", "127.0.0.1:0", "--state-dir", state)
        self.server.add_host()
        self.door: str = self.server.node.ready["listen"]
        self.file = folder / "client.toml"
        new = [str(PROGRAMS / "pylm"), "access", "new", "client", "--role", "client", "-o", str(self.file)]
        subprocess.run([*new, "--state-dir", state], check=True, timeout=30)

    def connect(self) -> pylmd.Node:
        """The node reads its grants anew by itself."""
        end = time.monotonic() + 20
        while True:
            try:
                return pylmd.connect(access=self.file)
            except pylmd.ConnectError:
                assert time.monotonic() < end, "the node does not read its grants"


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Sealed]:
    sealed = Sealed(tmp_path)
    try:
        yield sealed
    finally:
        sealed.server.end()


def test_an_access_file_lets_in_at_the_encrypted_door(sealed: Sealed) -> None:
    with sealed.connect() as node:
        assert node.address == sealed.door
        assert node.call("server.echo", "hello") == b"hello"

    async def call() -> bytes:
        async with pylmd.aio.connect(access=str(sealed.file)) as node:
            assert node.address == sealed.door
            return await node.call("server.echo", "hello")

    assert asyncio.run(call()) == b"hello"
    with pytest.raises(pylmd.ConnectError, match="pylm access"):
        pylmd.connect(sealed.door)


def test_the_file_in_the_users_own_folder_is_found(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed.connect().close()
    folder = sealed.file.parent / "config" / "pylm" / "access"
    folder.mkdir(parents=True)
    sealed.file.rename(folder / "node.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(sealed.file.parent / "config"))
    with pylmd.connect(sealed.door) as node:
        assert node.call("server.echo", "hello") == b"hello"


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    with pytest.raises(pylmd.ConnectError, match="nothing.toml"):
        pylmd.connect(access=tmp_path / "nothing.toml")
    file = tmp_path / "file.toml"
    file.write_text("node = 1\n")
    with pytest.raises(pylmd.ConnectError, match="chmod"):
        pylmd.connect(access=file)
    file.chmod(0o600)
    with pytest.raises(pylmd.ConnectError, match="node"):
        pylmd.connect(access=file)
    with pytest.raises(ValueError, match="leave the address out"):
        pylmd.connect("tcp://127.0.0.1:5559", access=file)
