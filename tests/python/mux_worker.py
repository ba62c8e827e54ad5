"""A pylm MuxWorker: every value that a function yields is a message of its own, and nothing marks the last."""

import argparse

from pylm.servers import MuxWorker

import peer


class Functions(MuxWorker):
    values = 2

    def foo(self, payload):
        for number in range(1, self.values + 1):
            yield b"%s processed %s %d" % (self.name.encode(), payload, number)

    # Under the name of the native function that does the same.
    twice = foo

    def echo(self, payload):
        for _ in range(self.values):
            yield payload


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--values", type=int, default=2, help="results of each message")
    options = parser.parse_args()
    peer.end_with_stdin()

    worker = Functions(options.name, options.db)
    worker.values = options.values
    peer.say("ready " + options.name)
    worker.start()


if __name__ == "__main__":
    main()
