"""A pylm node of single parts: its messages go out through an HttpConnection."""

import argparse

from pylm.parts.connections import HttpConnection
from pylm.parts.servers import ServerTemplate
from pylm.parts.services import CacheService, PubService, PullService

import peer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    parser.add_argument("--url", required=True)
    options = parser.parse_args()
    peer.end_with_stdin()

    node = ServerTemplate()
    node.register_inbound(PullService, "in", options.pull, route="web")
    node.register_outbound(HttpConnection, "web", options.url, route="out", max_workers=1)
    node.register_outbound(PubService, "out", options.pub)
    node.register_bypass(CacheService, "cache", options.db)
    node.preset_cache(
        name=options.name, db_address=options.db, pull_address=options.pull, pub_address=options.pub
    )
    node.name, node.db_address = options.name, options.db
    started = peer.Started()
    node.logger.addHandler(started)
    # PULL and PUB say so when they are bound.
    started.announce(node, sockets=2)
    node.start()


if __name__ == "__main__":
    main()
