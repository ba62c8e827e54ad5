"""A pylm Client: prints each result as Python writes bytes, or checks a big job and prints a report as JSON."""

import argparse
import json
import logging
import os
import queue
import sys
import threading
import time

from pylm.clients import Client

import checked_job
import peer

LATE = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--server", default="server")
    parser.add_argument("--sub", metavar="ADDRESS", help="where the last node of a pipeline publishes results")
    parser.add_argument("--function", action="append", help="server.function; repeated: one for each stage")
    parser.add_argument("--count", type=int, default=10, help="messages to send")
    parser.add_argument("--payload", default="a message")
    parser.add_argument("--numbered", action="store_true", help="the payloads are 0, 1, 2 and so on")
    parser.add_argument("--copies", type=int, default=1, help="results expected of each message")
    parser.add_argument("--results", type=int, help="results expected of the whole job, instead of copies of each message")
    parser.add_argument("--beside", metavar="TEXT", help="results that begin so are not among those that are expected")
    parser.add_argument("--eval", action="store_true", help="one call of eval for each message, instead of a job")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set, and print what get gives")
    parser.add_argument("--delete", action="append", default=[], metavar="KEY", help="delete when the job has ended")
    parser.add_argument("--cache", default="", help="the cache field of every message")
    parser.add_argument("--session", help="the pipeline of every message, and the prefix of the keys that are set")
    parser.add_argument("--pause-after", type=int, default=-1, metavar="N", help="read nothing for a while after N")
    parser.add_argument("--pause", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--tell-after", type=int, default=-1, metavar="N", help="say on standard error when N came")
    parser.add_argument("--send-after", type=float, default=0.0, metavar="SECONDS",
                        help="wait before the first message, until a subscription must have arrived")
    parser.add_argument("--send-pause", type=float, default=0.0, metavar="SECONDS", help="between messages")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for the next result")
    parser.add_argument("--extra-wait", type=float, default=0.0, metavar="SECONDS",
                        help="after the last expected result, see whether more come")
    checked_job.add_arguments(parser)
    return parser.parse_args()


def payloads(options):
    """The payloads to send. pylm takes them on a thread of its own, after it has asked for its subscription.

    pylm's nodes drop results that are faster than the subscription to them; only waiting here keeps the first.
    """
    time.sleep(options.send_after)
    if options.verify:
        source = checked_job.payloads(options)
    elif options.numbered:
        source = (b"%d" % number for number in range(options.count))
    else:
        source = (options.payload.encode() for _ in range(options.count))
    for payload in source:
        yield payload
        if options.send_pause:
            time.sleep(options.send_pause)


def results(client, options):
    """The results of the job, read on a thread of their own, so that a result that never comes can be reported.

    pylm's client stops after the number of results it was told; without one it waits for ever. A job is a
    generator: its sockets are made, and the first message is sent, when the first result is asked for.
    """
    expected = options.count * options.copies if options.results is None else options.results
    function = options.function or [options.server + ".foo"]
    function = function[0] if len(function) == 1 else function
    read = queue.Queue(maxsize=1)

    def reader():
        if options.eval:
            for payload in payloads(options):
                answer = client.eval(function, payload, messages=options.copies, cache=options.cache)
                for result in [answer] if options.copies == 1 else answer:
                    read.put(result)
        else:
            wanted = expected + 1 if options.extra_wait else expected
            # The reader is left when it is enough.
            wanted = wanted if options.beside is None else sys.maxsize
            for number, result in enumerate(client.job(function, payloads(options), wanted, options.cache), 1):
                read.put(result)
                if number == options.pause_after:
                    print(f"pausing after {number} results", file=sys.stderr, flush=True)
                    time.sleep(options.pause)
                    print("reading again", file=sys.stderr, flush=True)

    threading.Thread(target=reader, daemon=True).start()
    while expected:
        try:
            result = read.get(timeout=options.timeout + options.pause)
        except queue.Empty:
            raise TimeoutError from None
        yield result
        if options.beside is None or not result.startswith(options.beside.encode()):
            expected -= 1
    if options.extra_wait:
        try:
            yield read.get(timeout=options.extra_wait)
        except queue.Empty:
            pass


def main():
    options = arguments()
    peer.end_with_stdin()
    began = time.monotonic()
    # Its log goes to standard output, where the results go.
    client = Client(options.server, options.db, sub_address=options.sub, session=options.session,
                    logging_level=logging.ERROR)
    for pair in options.set:
        key, value = pair.split("=", 1)
        client.set(value.encode(), key)
        print(client.get(key), flush=True)

    checker = checked_job.Checker(options) if options.verify else None
    late = False
    seen = 0
    try:
        for result in results(client, options):
            seen += 1
            if checker:
                checker.take(result)
            else:
                print(result)
            if seen == options.tell_after:
                print(f"{seen} results", file=sys.stderr, flush=True)
    except TimeoutError:
        late = True
        print(f"no result for {options.timeout} s, after {seen}", file=sys.stderr)
    for key in options.delete:
        client.delete(key)
    if checker:
        print(json.dumps(checker.report(late=late, seconds=time.monotonic() - began)))
    sys.stdout.flush()
    if late or options.extra_wait or options.beside:
        # The reader still waits in recv, and would hold the end of the process for ever.
        os._exit(LATE if late else 0)
    client.clean()


if __name__ == "__main__":
    main()
