"""A pylm Hub: hands what an earlier node publishes to workers."""

import argparse

from pylm.servers import Hub

import peer
import shaping


class ShapedHub(shaping.Shaped, Hub):
    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    peer.add_sources(parser)
    for socket in ("pub", "worker-pull", "worker-push", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    parser.add_argument("--pipelined", action="store_true", help="results go on to the nodes that follow")
    shaping.add_arguments(parser)
    options = parser.parse_args()
    peer.end_with_stdin()

    [(topic, address)] = options.source
    hub = ShapedHub(
        name=options.name,
        sub_address=address,
        pub_address=options.pub,
        worker_pull_address=options.worker_pull,
        worker_push_address=options.worker_push,
        db_address=options.db,
        previous=topic,
        pipelined=options.pipelined,
    )
    hub.db_address = options.db
    peer.start(shaping.shape(hub, options), sockets=4)


if __name__ == "__main__":
    main()
