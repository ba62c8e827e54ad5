"""A master whose clients speak HTTP, put together from pylm's parts as pylm's gateway example shows."""

import argparse
from urllib.parse import urlsplit

from pylm.parts.gateways import GatewayDealer, GatewayRouter, HttpGateway
from pylm.parts.servers import ServerTemplate
from pylm.parts.services import CacheService, WorkerPullService, WorkerPushService

import peer

# Where the parts meet inside the process.
MEETING = "inproc://gateway_router"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    parser.add_argument("--http", required=True, metavar="ADDRESS", help="tcp://host:port for clients")
    for socket in ("worker-pull", "worker-push", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    options = parser.parse_args()
    peer.end_with_stdin()

    node = ServerTemplate()
    node.name, node.db_address = options.name, options.db
    http = urlsplit(options.http)
    # The HTTP server is bound here. Router and dealer have to be called by these names.
    node.register_bypass(HttpGateway, "HttpGateway", MEETING, hostname=http.hostname, port=http.port)
    node.register_inbound(GatewayRouter, "gateway_router", MEETING, route="WorkerPush")
    node.register_outbound(WorkerPushService, "WorkerPush", options.worker_push)
    node.register_inbound(WorkerPullService, "WorkerPull", options.worker_pull, route="gateway_dealer")
    node.register_outbound(GatewayDealer, "gateway_dealer", MEETING)
    node.register_bypass(CacheService, "Cache", options.db)
    node.preset_cache(
        name=options.name,
        db_address=options.db,
        worker_pull_address=options.worker_pull,
        worker_push_address=options.worker_push,
    )
    peer.start(node, sockets=2)


if __name__ == "__main__":
    main()
