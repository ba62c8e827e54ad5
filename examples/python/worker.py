"""A worker of the Python package pylm, for a node: ours, or a Master or Hub of pylm.

    python worker.py worker1
"""

import argparse

from pylm.servers import Worker


class Words(Worker):
    def foo(self, payload):
        return self.name.encode() + b" processed " + payload

    def reverse(self, payload):
        return payload[::-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the worker's name")
    parser.add_argument("--db", default="tcp://127.0.0.1:5559", help="the address of the node's db socket")
    options = parser.parse_args()
    Words(options.name, options.db).start()


if __name__ == "__main__":
    main()
