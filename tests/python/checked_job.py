"""A job whose every answer can be told apart: random payloads with an owner, an index and a checksum, to be echoed.

    8 bytes owner | 4 bytes index, big endian | 4 bytes CRC-32 of the rest | random bytes

Empty payloads carry none of it, and are counted.
"""

import os
import random
import struct
import zlib

HEADER = struct.Struct(">8sII")
MEBIBYTE = 1 << 20


def add_arguments(parser):
    group = parser.add_argument_group("checked job", "random payloads that an echo function returns")
    group.add_argument("--verify", action="store_true", help="send such a job, and report on its answers")
    group.add_argument("--size", type=int, default=1024, metavar="BYTES", help="largest of the ordinary payloads")
    group.add_argument("--large", type=int, default=0, metavar="N", help="payloads of 1 to 8 MiB, spread over the job")
    group.add_argument("--empty", type=int, default=0, metavar="N", help="empty payloads, spread over the job")
    group.add_argument("--seed", type=int, default=0)
    group.set_defaults(owner=os.urandom(8))


def payloads(options):
    source = random.Random(options.seed)
    special = source.sample(range(options.count), options.large + options.empty)
    large, empty = set(special[: options.large]), set(special[options.large :])
    for index in range(options.count):
        if index in empty:
            yield b""
            continue
        if index in large:
            size = source.randint(MEBIBYTE, 8 * MEBIBYTE)
        else:
            size = source.randint(HEADER.size, max(HEADER.size, options.size))
        body = source.randbytes(size - HEADER.size)
        yield HEADER.pack(options.owner, index, zlib.crc32(body)) + body


class Checker:
    def __init__(self, options):
        self.owner = options.owner
        self.copies = options.copies
        self.count = options.count
        self.empty_expected = options.empty * options.copies
        self.seen = {}
        self.empty = 0
        self.corrupt = 0
        self.foreign = 0

    def take(self, payload):
        if not payload:
            self.empty += 1
        elif len(payload) < HEADER.size:
            self.corrupt += 1
        else:
            owner, index, checksum = HEADER.unpack_from(payload)
            if zlib.crc32(memoryview(payload)[HEADER.size :]) != checksum:
                self.corrupt += 1
            elif owner != self.owner or index >= self.count:
                self.foreign += 1
            else:
                self.seen[index] = self.seen.get(index, 0) + 1

    def report(self, late, seconds):
        """Counts of results; all but `received` and `seconds` are 0 or false where every answer came once."""
        expected = self.count * self.copies
        whole = sum(min(times, self.copies) for times in self.seen.values())
        missing_empty = max(0, self.empty_expected - self.empty)
        return {
            "expected": expected,
            "received": sum(self.seen.values()) + self.empty + self.corrupt + self.foreign,
            "missing": expected - self.empty_expected - whole + missing_empty,
            "duplicate": sum(self.seen.values()) - whole + max(0, self.empty - self.empty_expected),
            "corrupt": self.corrupt,
            "foreign": self.foreign,
            "late": late,
            "seconds": round(seconds, 3),
        }
