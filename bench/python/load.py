"""A pylm Client under load: keeps a window of messages under way, and prints what the clients in Rust print."""

import argparse
import json
import logging
import queue
import struct
import threading
import time

from pylm.clients import Client

import peer

WARM_UP = 1.0
PATIENCE = 20.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True, metavar="ADDRESS")
    parser.add_argument("--size", type=int, required=True, metavar="BYTES")
    parser.add_argument("--window", type=int, required=True, metavar="MESSAGES")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--latency", action="store_true", help="note the time of each message")
    return parser.parse_args()


class Load:
    """A generator of payloads, which pylm reads on a thread of its own, and what is known of their results."""

    def __init__(self, options):
        self.size = options.size
        self.free = queue.SimpleQueue()
        for slot in range(options.window):
            self.free.put(slot)
        filling = b"Z" * (options.size - 8)
        self.messages = [struct.pack("<Q", slot) + filling for slot in range(options.window)]
        self.begun = [None] * options.window
        self.sent = 0
        self.stopping = False
        self.last_is_sent = threading.Event()

    def payloads(self):
        # pylm subscribes right before the first message; its nodes drop what is published before they know.
        time.sleep(0.5)
        while True:
            slot = self.free.get()
            if self.stopping:
                break
            self.begun[slot] = time.perf_counter()
            self.sent += 1
            yield self.messages[slot]
        self.last_is_sent.set()

    def end(self, result):
        """Free the slot of a result, and return the seconds it took."""
        slot = struct.unpack_from("<Q", result)[0]
        if len(result) != self.size or self.begun[slot] is None:
            raise ValueError(f"a result that nobody waits for, of {len(result)} bytes and slot {slot}")
        took = time.perf_counter() - self.begun[slot]
        self.begun[slot] = None
        return slot, took


def quantile(times, share):
    return times[round((len(times) - 1) * share)] * 1e6 if times else None


def main():
    options = arguments()
    peer.end_with_stdin()
    load = Load(options)
    client = Client("server", options.db, logging_level=logging.ERROR)

    answers = client.job("server.echo", load.payloads(), messages=1 << 60)
    ended = 0
    slot, _ = load.end(next(answers))
    load.free.put(slot)
    ended += 1

    now = time.perf_counter()
    begin, end = now + WARM_UP, None
    counted, times = 0, []
    for answer in answers:
        slot, took = load.end(answer)
        ended += 1
        now = time.perf_counter()
        if end is None and now >= begin:
            peer.say("load measuring")
            begin, end = now, now + options.seconds
        elif end is not None:
            counted += 1
            if options.latency:
                times.append(took)
            if now >= end:
                break
        load.free.put(slot)

    times.sort()
    report = {"messages": counted, "seconds": now - begin, "p50": quantile(times, 0.5), "p99": quantile(times, 0.99)}
    peer.say("load measured " + json.dumps(report))
    settle(load, answers, ended)
    peer.say("load settled")
    # The measuring process ends this one: pylm's client would wait for more.
    threading.Event().wait()


def settle(load, answers, ended):
    """Stop sending, and take what is still under way."""
    watchdog = threading.Timer(PATIENCE, lambda: peer.say("load lost messages"))
    watchdog.daemon = True
    watchdog.start()
    load.stopping = True
    load.free.put(0)
    load.last_is_sent.wait(PATIENCE)
    while ended < load.sent:
        load.end(next(answers))
        ended += 1
    watchdog.cancel()


if __name__ == "__main__":
    main()
