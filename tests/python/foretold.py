"""Functions whose results can be foretold from the payload: those of the plugin `foretold`, under the same names."""


def rest(payload):
    """The sum of the payload's bytes says what becomes of it."""
    return sum(payload) % 3


class Single:
    """Those of nodes and Workers, which give one result at most."""

    def pass_on(self, payload):
        return payload + b"."

    def fail_some(self, payload):
        if rest(payload) == 0:
            raise ValueError("refused on purpose")
        return payload + b"."

    def zero_some(self, payload):
        return b"0" if rest(payload) == 1 else payload + b"."

    def keep_some(self, payload):
        """For a Pipeline or Sink: a Worker would end."""
        return payload + b"." if rest(payload) == 2 else None


class Several:
    """Those of MuxWorkers."""

    def pass_on(self, payload):
        yield payload + b"."

    def keep_some(self, payload):
        if rest(payload) == 2:
            yield payload + b"."

    def pass_two(self, payload):
        yield payload + b"a"
        yield payload + b"b"

    def vary_some(self, payload):
        for letter in (b"a", b"b")[: rest(payload)]:
            yield payload + letter

    def zero_and(self, payload):
        yield b"0"
        yield payload + b"."
