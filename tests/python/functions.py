"""What the pylm nodes that run functions themselves share: the functions that tests call, and where results go."""

import foretold


class Functions(foretold.Single):
    text = None
    silent = False

    def foo(self, payload):
        """The payload behind a text, by default the node's own name; nothing at all from a silent node."""
        if self.silent:
            self.logger.info("only a look at %r", payload)
            return None
        text = self.name + " processed " if self.text is None else self.text
        return text.encode() + payload

    def fail(self, payload):
        raise ValueError("refused on purpose")


class Alternating:
    """Results go to two topics in turn, whatever the node's own name is."""

    alternating = ()
    passed = 0

    def handle_stream(self, message):
        if not self.alternating:
            return super().handle_stream(message)
        topic = self.alternating[self.passed % len(self.alternating)]
        self.passed += 1
        message.stage += 1
        return topic, message


def add_arguments(parser):
    parser.add_argument("--text", help="what foo puts before each payload, instead of the node's name")
    parser.add_argument("--silent", action="store_true", help="foo answers nothing")
    parser.add_argument("--alternate", default="", metavar="TOPIC,TOPIC", help="topics of the results, in turn")
    parser.add_argument("--pipelined", action="store_true", help="results go on to the nodes that follow")


def equip(node, options):
    node.text, node.silent = options.text, options.silent
    node.alternating = [topic for topic in options.alternate.split(",") if topic]
    return node
