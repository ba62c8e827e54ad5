"""A pylm Worker with the functions that the tests call."""

import argparse
import os
import signal
import sys
import time

from pylm.servers import Worker

import foretold
import peer


class Functions(foretold.Single, Worker):
    delay = 0.0
    cached = False
    calls = 0

    def foo(self, payload):
        time.sleep(self.delay)
        self.calls += 1
        if self.calls % 10 == 0:
            self.logger.info("processed %d messages", self.calls)
        own = self.name.encode()
        if self.cached:
            return own + self.get("cached") + payload
        return own + b" processed " + payload

    def echo(self, payload):
        time.sleep(self.delay)
        return payload

    # Names that no native plugin of the tests has.
    python_echo = echo
    one = echo

    def keep(self, payload):
        """One of ten; a Worker answers each message, and so the others too, with what is beside them."""
        return payload if int(payload) % 10 == 0 else b"beside " + payload

    def wait(self, payload):
        """Sleep as many seconds as the payload says."""
        time.sleep(float(payload))
        return payload

    def fail(self, payload):
        raise ValueError("refused on purpose")

    def nothing(self, payload):
        """What ends a Worker: it has no payload to answer with."""

    def large(self, payload):
        """As many bytes as the payload says."""
        return bytes(int(payload))

    def die(self, payload):
        os.kill(os.getpid(), signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--cached", action="store_true", help="foo answers with the key `cached` of the cache")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that foo and echo take")
    parser.add_argument("--messages", type=int, default=sys.maxsize, help="messages after which it ends")
    options = parser.parse_args()
    peer.end_with_stdin()

    # The addresses are asked for here, once in the worker's life; the connections are made in the background.
    worker = Functions(options.name, options.db, messages=options.messages)
    worker.delay, worker.cached = options.delay, options.cached
    peer.say("ready " + options.name)
    worker.start()


if __name__ == "__main__":
    main()
