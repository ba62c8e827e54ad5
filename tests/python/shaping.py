"""What tests make of pylm's nodes that have workers: copies of messages, and results that are left out, doubled or replaced."""

import itertools

from pylm.parts.messages_pb2 import PalmMessage


class Shaped:
    """Beside a Master or Hub."""

    copies = 1
    sift = None
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
        yield from itertools.repeat(message, self.times(message.payload))

    def times(self, payload):
        """How often a result goes out, as the plugin `sift` has it."""
        if self.sift is None or sum(payload) % 4 != 1:
            return 1
        return 2 if self.sift == "doubles" else 0


def add_arguments(parser):
    parser.add_argument("--copies", type=int, default=1, help="messages that scatter makes of each")
    parser.add_argument("--sift", choices=("leaves-out", "doubles"), help="what gather does with some results")
    parser.add_argument("--final", type=int, default=0, help="the result, counted from 1, that gather replaces")
    parser.add_argument("--final-as", choices=("changed", "new"), default="changed")


def shape(node, options):
    node.copies, node.sift = options.copies, options.sift
    node.final, node.final_as = options.final, options.final_as
    return node
