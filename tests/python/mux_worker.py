"""A pylm MuxWorker: every value that a function yields is a message of its own, and nothing marks the last."""

import argparse
import time

from pylm.servers import MuxWorker

import foretold
import peer


class Functions(foretold.Several, MuxWorker):
    values = 2
    delay = 0.0

    def foo(self, payload):
        for number in range(1, self.values + 1):
            yield b"%s processed %s %d" % (self.name.encode(), payload, number)

    # Under the name of the native function that does the same.
    twice = foo

    def echo(self, payload):
        for _ in range(self.values):
            yield payload

    def keep(self, payload):
        """One of ten."""
        time.sleep(self.delay)
        if int(payload) % 10 == 0:
            yield payload

    def never(self, payload):
        return iter(())

    def one(self, payload):
        yield payload

    def two(self, payload):
        yield payload
        yield payload

    def vary(self, payload):
        """One result for each of the first twenty, and two for the others, the second one late."""
        yield payload
        if int(payload) >= 20:
            time.sleep(self.delay)
            yield payload

    def zero(self, payload):
        """What stands for an error, and what is behind it."""
        yield b"0"
        yield payload

    def bad(self, payload):
        """What ends a MuxWorker."""
        raise ValueError("refused on purpose")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--values", type=int, default=2, help="results of each message")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that keep takes, or vary between results")
    options = parser.parse_args()
    peer.end_with_stdin()

    worker = Functions(options.name, options.db)
    worker.values, worker.delay = options.values, options.delay
    peer.say("ready " + options.name)
    worker.start()


if __name__ == "__main__":
    main()
