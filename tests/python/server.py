"""A plain pylm Server: functions that run in the node itself."""

import argparse

from pylm.servers import Server

import functions
import peer


class Node(functions.Functions, functions.Alternating, Server):
    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    functions.add_arguments(parser)
    options = parser.parse_args()
    peer.end_with_stdin()

    # PULL and PUB are bound here, before there is a log to watch; a failure is an exception.
    server = Node(options.name, options.db, options.pull, options.pub, pipelined=options.pipelined)
    peer.start(functions.equip(server, options), sockets=0)


if __name__ == "__main__":
    main()
