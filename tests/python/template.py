"""A master that is put together from pylm's parts, without its class Master."""

import argparse

from pylm.parts.servers import ServerTemplate
from pylm.parts.services import CacheService, PubService, PullService, WorkerPullService, WorkerPushService

import peer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "worker-pull", "worker-push", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    options = parser.parse_args()
    peer.end_with_stdin()

    node = ServerTemplate()
    node.name, node.db_address = options.name, options.db
    node.register_inbound(PullService, "Pull", options.pull, route="WorkerPush")
    node.register_outbound(WorkerPushService, "WorkerPush", options.worker_push)
    node.register_inbound(WorkerPullService, "WorkerPull", options.worker_pull, route="Pub")
    node.register_outbound(PubService, "Pub", options.pub)
    node.register_bypass(CacheService, "Cache", options.db)
    sockets = {socket: getattr(options, socket) for socket in ("pull", "pub", "worker_pull", "worker_push", "db")}
    node.preset_cache(name=options.name, **{f"{socket}_address": address for socket, address in sockets.items()})
    peer.start(node, sockets=4)


if __name__ == "__main__":
    main()
