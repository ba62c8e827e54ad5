"""A client and a worker of gearmand, in its binary protocol: each connects again when its connection is lost.

The client reports how often each of its jobs was answered; jobs in the background, whose results nobody gets, are those that the
workers have written down.
"""

import argparse
import collections
import glob
import json
import socket
import struct
import threading
import time

import peer

HEADER = struct.Struct(">4sII")
CAN_DO, PRE_SLEEP, NOOP, SUBMIT_JOB, JOB_CREATED, GRAB_JOB, NO_JOB, JOB_ASSIGN = 1, 4, 6, 7, 8, 9, 10, 11
WORK_COMPLETE, WORK_FAIL, SUBMIT_JOB_BG = 13, 14, 18
FUNCTION = b"echo"
# Jobs in the background that the server has not acknowledged, at most: each is a write to its disk.
WINDOW = 100


class Connection:
    """Packets over TCP. With a timeout for each read, after which TimeoutError is raised."""

    def __init__(self, port, timeout=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, kind, *fields):
        data = b"\0".join(fields)
        self.socket.sendall(HEADER.pack(b"\0REQ", kind, len(data)) + data)

    def receive(self):
        _, kind, size = HEADER.unpack(self.read(HEADER.size))
        return kind, self.read(size)

    def read(self, size):
        while len(self.buffer) < size:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("the server has closed the connection")
            self.buffer += piece
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


def work(options):
    """Does one job after the other; what was done is written down before the server hears of it."""
    while True:
        try:
            connection = Connection(options.port)
            connection.send(CAN_DO, FUNCTION)
            while True:
                connection.send(GRAB_JOB)
                kind, data = connection.receive()
                while kind == NOOP:
                    kind, data = connection.receive()
                if kind == NO_JOB:
                    connection.send(PRE_SLEEP)
                    connection.receive()
                elif kind == JOB_ASSIGN:
                    handle, _, payload = data.split(b"\0", 2)
                    time.sleep(options.delay)
                    if options.done:
                        with open(options.done, "ab") as done:
                            done.write(payload + b"\n")
                    connection.send(WORK_COMPLETE, handle, payload)
        except OSError:
            time.sleep(0.1)


class Client:
    """Submits jobs at their pace, and counts answers."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.answers = collections.Counter()
        self.open = {}
        self.connection = None
        self.moved = time.monotonic()
        # Names of what was sent over the present connection, and is not acknowledged yet.
        self.sent = collections.deque()

    def name(self, number):
        return f"{self.options.owner}-{number}".encode()

    def run(self):
        began = time.monotonic()
        threading.Thread(target=self.read, daemon=True).start()
        for number in range(self.options.count):
            time.sleep(max(0.0, began + number * self.options.pause - time.monotonic()))
            while self.options.background and len(self.open) >= WINDOW and self.is_moving():
                time.sleep(0.001)
            with self.lock:
                self.open[self.name(number)] = None
            self.submit(self.name(number))
        self.moved = time.monotonic()
        while self.open and self.is_moving():
            time.sleep(0.05)
        if self.options.background:
            self.count_done()
        counts = [self.answers[self.name(number)] for number in range(self.options.count)]
        return {
            "submitted": len(counts),
            "once": counts.count(1),
            "twice": sum(count > 1 for count in counts),
            "never": counts.count(0),
        }

    def is_moving(self):
        return time.monotonic() - self.moved < self.options.timeout

    def submit(self, name):
        kind = SUBMIT_JOB_BG if self.options.background else SUBMIT_JOB
        try:
            with self.lock:
                if self.connection:
                    # The unique name lets the server see that a job is there already.
                    self.connection.send(kind, FUNCTION, name, name)
                    self.sent.append(name)
        except OSError:
            pass

    def read(self):
        while True:
            try:
                connection = Connection(self.options.port)
                with self.lock:
                    self.connection = connection
                    self.sent.clear()
                    again = list(self.open) if self.options.again else []
                    # Without that, what was open is lost with its connection.
                    if not self.options.again:
                        self.open.clear()
                for name in again:
                    self.submit(name)
                while True:
                    kind, data = connection.receive()
                    if kind == JOB_CREATED:
                        # They are created in the order in which they were submitted.
                        with self.lock:
                            name = self.sent.popleft()
                            if self.options.background:
                                self.open.pop(name, None)
                        self.moved = time.monotonic()
                    elif kind in (WORK_COMPLETE, WORK_FAIL):
                        name = data.split(b"\0", 1)[1] if kind == WORK_COMPLETE else None
                        with self.lock:
                            if name is not None:
                                self.answers[name] += 1
                                self.open.pop(name, None)
                        self.moved = time.monotonic()
            except OSError:
                with self.lock:
                    self.connection = None
                time.sleep(0.1)

    def count_done(self):
        """Counts what workers have written down, once nothing more comes."""
        lines, since = -1, time.monotonic()
        while time.monotonic() - since < self.options.timeout:
            self.answers.clear()
            for path in glob.glob(self.options.done):
                with open(path, "rb") as done:
                    self.answers.update(line for line in done.read().split(b"\n") if line)
            if sum(self.answers.values()) != lines:
                lines, since = sum(self.answers.values()), time.monotonic()
            time.sleep(0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("work", "client"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that a job takes")
    parser.add_argument("--done", default="", help="the file of a worker, or those of all: a pattern")
    parser.add_argument("--owner", type=int, default=0)
    parser.add_argument("--count", type=int, default=10, help="jobs to submit")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS", help="between jobs")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--again", action="store_true", help="submit again what was open when the connection was lost")
    parser.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS", help="for the next answer")
    options = parser.parse_args()
    peer.end_with_stdin()
    if options.what == "work":
        work(options)
    else:
        print(json.dumps(Client(options).run()), flush=True)
