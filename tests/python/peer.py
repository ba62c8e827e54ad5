"""What every peer process shares: it ends with its test, and it says when it is ready."""

import logging
import os
import threading
import time
import uuid

import zmq
from pylm.parts.messages_pb2 import PalmMessage

ADDRESS_IN_USE = 98


def end_with_stdin():
    """End this process when its standard input closes, so that it cannot outlive a test that was killed."""
    if os.environ.get("PEER_ENDS_WITH_STDIN") != "1":
        return

    def wait():
        # Not sys.stdin: a thread that holds its lock makes the interpreter's own end fatal.
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def say(line):
    print(line, flush=True)


class Started(logging.Handler):
    """Counts the sockets that a node reports as bound, and ends the process when one of them cannot be.

    A Master binds in threads whose failure it only logs, and goes on without the socket.
    """

    def __init__(self):
        super().__init__()
        self.count = 0
        self.ready = False

    def emit(self, record):
        if record.getMessage().endswith("successfully started"):
            self.count += 1
        elif record.levelno >= logging.ERROR and not self.ready:
            say("not started: " + record.getMessage())
            os._exit(ADDRESS_IN_USE)

    def announce(self, node, sockets):
        """Say `ready` from a thread, once `sockets` of them are bound and the cache service answers as ours."""
        nonce = str(uuid.uuid4())
        node.cache.set("peer_nonce", nonce.encode())

        def wait():
            while self.count < sockets:
                time.sleep(0.01)
            if ask(node.db_address, "peer_nonce") != nonce.encode():
                say("not started: another process answers at " + node.db_address)
                os._exit(ADDRESS_IN_USE)
            self.ready = True
            say("ready " + node.name)

        threading.Thread(target=wait, daemon=True).start()


def start(node, sockets):
    """Run a node until it ends; `sockets` of its own are reported when they are bound, beside the cache service."""
    started = Started()
    node.logger.addHandler(started)
    started.announce(node, sockets)
    node.start()


def add_sources(parser):
    """The earlier nodes that a node follows: pairs of a topic and the address where it is published."""
    parser.add_argument("--from", dest="source", action="append", required=True, metavar="TOPIC=PUB_ADDRESS",
                        type=lambda text: tuple(text.split("=", 1)))


def ask(db_address, key):
    """Read one key of the cache service at `db_address`."""
    request = PalmMessage(function="_.get", client="peer", payload=key.encode())
    with zmq.Context.instance().socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.rcvtimeo = 10_000
        socket.connect(db_address)
        socket.send(request.SerializeToString())
        return socket.recv()
