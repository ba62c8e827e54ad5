"""What `pip install` of the wheel gives: the programs and the plugins, with nothing else to be built or set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import ADDRESSES, Process

import pylmd

BIN = Path(sys.prefix) / "bin"


def test_the_wheel_is_all_that_the_tutorial_needs() -> None:
    where = [part for name in ADDRESSES for part in (f"--{name}", "tcp://127.0.0.1:0")]
    running = Process("pylmd", "--plugin", "shout", "--workers", "1", *where, folder=BIN)
    address = running.ready["db"]
    try:
        with pylmd.connect(address) as node:
            assert list(node.map("server.shout", ["hello", "world"])) == [b"HELLO", b"WORLD"]
        command = [str(BIN / "pylm"), "job", "server.shout", "--db", address]
        job = subprocess.run(command, input=b"hello\n", capture_output=True, check=True, timeout=60)
        assert job.stdout == b"HELLO\n"
    finally:
        running.kill()


def test_a_job_on_a_node_of_its_own_needs_no_more() -> None:
    command = [str(BIN / "pylm"), "run", "--plugin", "wordcount", "count"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    job = subprocess.run(command, input=b"to be or not to be", capture_output=True, timeout=60, env=environment)
    assert job.stdout.split() == b"be 2 not 1 or 1 to 2".split(), job.stderr


def test_programs_tell_what_they_are() -> None:
    for program in ("pylmd", "pylm-worker", "pylm"):
        told = subprocess.run([BIN / program, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
        assert told.startswith(f"{program} {pylmd.__version__} (")
        assert "libzmq 4." in told
