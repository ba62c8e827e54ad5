"""A pylm Client that leaves jobs before all of their results are there, and calls again at once.

It prints how many results of an earlier call came to a later one, and how many of its own did not come in time.
"""

import argparse
import logging
import os
import queue
import threading

from pylm.clients import Client

import peer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--function", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=100, help="messages of each job that is left")
    parser.add_argument("--taken", type=int, default=80, help="results that are taken of it")
    parser.add_argument("--evals", type=int, default=3, help="calls of eval behind each job")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for one call")
    options = parser.parse_args()
    peer.end_with_stdin()
    client = Client("server", options.db, logging_level=logging.ERROR)
    left_over = 0

    def within(call):
        """What a call gives, which may never come."""
        given = queue.Queue()
        threading.Thread(target=lambda: given.put(call()), daemon=True).start()
        try:
            return given.get(timeout=options.timeout)
        except queue.Empty:
            peer.say("nothing came")
            os._exit(1)

    for number in range(options.rounds):
        own = b"job %d " % number
        payloads = [own + b"%d" % message for message in range(options.count)]
        results = within(lambda: list(client.job(options.function, iter(payloads), options.taken)))
        left_over += sum(not result.startswith(own) for result in results)
        for call in range(options.evals):
            payload = b"eval %d %d" % (number, call)
            left_over += within(lambda: client.eval(options.function, payload)) != payload
    peer.say(f"{left_over} left over")
    os._exit(0)


if __name__ == "__main__":
    main()
