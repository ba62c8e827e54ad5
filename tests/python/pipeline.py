"""A pylm Pipeline: functions that run in the node itself, on what one earlier node publishes."""

import argparse

from pylm.servers import Pipeline

import functions
import peer


class Node(functions.Functions, functions.Alternating, Pipeline):
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

    [(topic, address)] = options.source
    node = Node(options.name, options.db, address, options.pub, topic, to_client=not options.pipelined)
    peer.start(functions.equip(node, options), sockets=0)


if __name__ == "__main__":
    main()
