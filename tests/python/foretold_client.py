"""A pylm Client that may leave jobs before all of their results are there, and begin the next at once; it prints the results of the last one.

The first line is `begun`. Then comes each result as Python writes bytes, one a line, as soon as it is there.
"""

import argparse
import logging
import os
import queue
import threading
import time

from pylm.clients import Client

import peer


def payloads(text):
    return [word.encode() for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--server", required=True)
    parser.add_argument("--sub", metavar="ADDRESS", help="where the last node of a pipeline publishes results")
    parser.add_argument("--function", action="append", required=True, help="server.function; one for each stage")
    parser.add_argument("--payloads", type=payloads, required=True, help="of the last job, separated by commas")
    parser.add_argument("--results", type=int, required=True, help="of the last job, without those of others")
    parser.add_argument("--leave", type=payloads, default=[], help="payloads of jobs that are left")
    parser.add_argument("--taken", type=int, default=0, help="results that are taken of each")
    parser.add_argument("--rounds", type=int, default=0, help="how many jobs are left")
    parser.add_argument("--send-after", type=float, default=0.0, metavar="SECONDS", help="in each job")
    parser.add_argument("--timeout", type=float, default=15.0, metavar="SECONDS", help="for the next result")
    parser.add_argument("--extra-wait", type=float, default=0.5, metavar="SECONDS", help="for one that is too much")
    options = parser.parse_args()
    peer.end_with_stdin()
    function = options.function[0] if len(options.function) == 1 else options.function
    client = Client(options.server, options.db, sub_address=options.sub, logging_level=logging.ERROR)
    read = queue.Queue()

    def source(job):
        """pylm's nodes drop results that are faster than the subscription to them."""
        time.sleep(options.send_after)
        yield from job

    def calls():
        for _ in range(options.rounds):
            for _ in client.job(function, source(options.leave), options.taken):
                pass
            read.put(None)
        for result in client.job(function, source(options.payloads)):
            read.put(result)

    threading.Thread(target=calls, daemon=True).start()
    peer.say("begun")
    try:
        for _ in range(options.rounds):
            read.get(timeout=2 * options.timeout)
        own = 0
        while True:
            is_complete = own >= options.results
            result = read.get(timeout=options.extra_wait if is_complete else options.timeout)
            # What was left may come too.
            own += not options.leave or result[:1] != options.leave[0][:1]
            peer.say(repr(result))
    except queue.Empty:
        os._exit(0)


if __name__ == "__main__":
    main()
