"""A plain pylm Server: functions that run in the node itself."""

import argparse

from pylm.servers import Server

import peer


class Functions(Server):
    def foo(self, payload):
        return self.name.encode() + b" processed " + payload

    def fail(self, payload):
        raise ValueError("refused on purpose")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    parser.add_argument("--pipelined", action="store_true")
    options = parser.parse_args()
    peer.end_with_stdin()

    # PULL and PUB are bound here, before there is a log to watch; a failure is an exception.
    server = Functions(options.name, options.db, options.pull, options.pub, pipelined=options.pipelined)
    started = peer.Started()
    server.logger.addHandler(started)
    started.announce(server, sockets=0)
    server.start()


if __name__ == "__main__":
    main()
