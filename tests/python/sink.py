"""A pylm Sink: functions that run in the node itself, on what several earlier nodes publish."""

import argparse

from pylm.servers import Sink

import functions
import peer


class Node(functions.Functions, functions.Alternating, Sink):
    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    peer.add_sources(parser)
    for socket in ("pub", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    functions.add_arguments(parser)
    options = parser.parse_args()
    peer.end_with_stdin()

    # pylm asserts that these are lists.
    topics, addresses = (list(column) for column in zip(*options.source))
    node = Node(options.name, options.db, addresses, options.pub, topics, to_client=not options.pipelined)
    peer.start(functions.equip(node, options), sockets=0)


if __name__ == "__main__":
    main()
