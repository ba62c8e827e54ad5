"""A pylm Master that can scatter copies and replace one of its results."""

import argparse
import itertools

from pylm.parts.messages_pb2 import PalmMessage
from pylm.servers import Master

import peer


class ShapedMaster(Master):
    copies = 1
    final = 0
    final_as = "changed"
    gathered = 0

    def scatter(self, message):
        yield from itertools.repeat(message, self.copies)

    def gather(self, message):
        self.gathered += 1
        if self.gathered == self.final:
            self.logger.critical("result %d is replaced", self.gathered)
            if self.final_as == "changed":
                # The message is changed in place, and reaches the client only because pylm sends that one.
                message = self.change_payload(message, b"Final message")
            else:
                # pylm takes the topic from what gather yields, and sends the message that gather was given.
                message = PalmMessage(client=message.client, payload=b"Final message")
        yield message


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="server")
    for socket in ("pull", "pub", "worker-pull", "worker-push", "db"):
        parser.add_argument("--" + socket, required=True, metavar="ADDRESS")
    parser.add_argument("--pipelined", action="store_true")
    parser.add_argument("--copies", type=int, default=1, help="messages that scatter makes of each")
    parser.add_argument("--final", type=int, default=0, help="the result, counted from 1, that gather replaces")
    parser.add_argument("--final-as", choices=("changed", "new"), default="changed")
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
    master.copies, master.final, master.final_as = options.copies, options.final, options.final_as
    # A Master keeps its address in its cache only; a Server has it as an attribute.
    master.db_address = options.db
    peer.start(master, sockets=4)


if __name__ == "__main__":
    main()
