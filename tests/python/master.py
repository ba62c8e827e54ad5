"""A pylm Master that can scatter copies and replace one of its results."""

import argparse

from pylm.servers import Master

import peer
import shaping


class ShapedMaster(shaping.Shaped, Master):
    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "worker-pull", "worker-push", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    parser.add_argument("--pipelined", action="store_true")
    shaping.add_arguments(parser)
    options = parser.parse_args()
    peer.end_with_stdin()

    master = ShapedMaster(
        name=options.name,
        pull_address=options.pull,
        pub_address=options.pub,
        worker_pull_address=options.worker_pull,
        worker_push_address=options.worker_push,
        db_address=options.db,
        pipelined=options.pipelined,
    )
    # A Master keeps its address in its cache only; a Server has it as an attribute.
    master.db_address = options.db
    peer.start(shaping.shape(master, options), sockets=4)


if __name__ == "__main__":
    main()
