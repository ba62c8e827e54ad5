"""A client of the Python package pylm: sends messages to a function, and prints as many results as it is told.

    python client.py server.foo
    python client.py server.foo --set cached=' cached data ' --results 30
"""

import argparse
import logging

from pylm.clients import Client


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", help="what to call: server.function")
    parser.add_argument("--db", default="tcp://127.0.0.1:5559", help="the address of the node's db socket")
    parser.add_argument("--messages", type=int, default=10, help="how many messages to send")
    parser.add_argument("--results", type=int, help="how many results to wait for; as many as messages by default")
    parser.add_argument("--set", metavar="KEY=VALUE", help="set a value in the node's cache first, and print it")
    options = parser.parse_args()

    # pylm's log goes to standard output, where the results go.
    client = Client(options.function.split(".")[0], options.db, logging_level=logging.WARNING)
    if options.set:
        key, value = options.set.split("=", 1)
        client.set(value.encode(), key)
        print(client.get(key))

    payloads = (b"a message" for _ in range(options.messages))
    # pylm does not mark the end of a job: its client stops after the number of results that it is told.
    for result in client.job(options.function, payloads, messages=options.results or options.messages):
        print(result)


if __name__ == "__main__":
    main()
