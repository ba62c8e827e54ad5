"""What the package promises, with a node that stays."""

from __future__ import annotations

import array
import asyncio
import concurrent.futures
import doctest
import gc
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from conftest import Server

import pylmd


def test_examples_of_the_docs_are_true(documented: ModuleType, node: pylmd.Node) -> None:
    names = {"node": node, "pylmd": pylmd, "address": node.address}
    tried = doctest.testmod(documented, extraglobs=names)
    assert tried.failed == 0 and tried.attempted > 0


def test_map_gives_results_in_the_order_of_the_payloads(node: pylmd.Node) -> None:
    payloads = [str(number).encode() for number in range(10_000)]
    assert list(node.map("server.echo", payloads)) == payloads
    assert list(node.map("server.echo", payloads[:1000], buffersize=3)) == payloads[:1000]
    assert sorted(node.map("server.echo", payloads, ordered=False)) == sorted(payloads)
    assert list(node.map("server.echo", [])) == []


def test_map_pulls_no_more_than_its_buffer_ahead(node: pylmd.Node) -> None:
    pulled = 0

    def endless() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"%d" % pulled

    results = node.map("server.echo", endless(), buffersize=10)
    for taken in range(1, 100):
        assert next(results) == b"%d" % taken
        assert pulled <= taken + 10


def test_a_slow_source_holds_no_result_up(node: pylmd.Node) -> None:
    def slow() -> Iterator[str]:
        yield "first"
        for _ in range(20):
            time.sleep(0.2)
            yield "later"

    begin = time.monotonic()
    assert next(node.map("server.echo", slow())) == b"first"
    assert time.monotonic() - begin < 2


def test_several_results_of_a_message_come_in_the_order_of_their_places(node: pylmd.Node) -> None:
    assert list(node.map("server.count", ["3", "0", "2"])) == [b"0", b"1", b"2", b"0", b"1"]
    assert node.call_all("server.count", "3") == [b"0", b"1", b"2"]
    assert node.submit_all("server.count", "2").result(10) == [b"0", b"1"]
    calls: list[Callable[[], object]] = [
        lambda: node.call("server.count", "2"),
        lambda: node.submit("server.count", "0").result(10),
    ]
    for call in calls:
        with pytest.raises(pylmd.ResultCountError) as raised:
            call()
        assert raised.value.results in (0, 2)


def test_outputs_of_a_stream_are_values(node: pylmd.Node) -> None:
    outputs = node.job("server.count", ordered=True).stream(["2", "x"])
    match list(outputs):
        case [
            pylmd.Result(0, (), b"0"),
            pylmd.Result(0, _, b"1"),
            pylmd.Done(0, 2),
            pylmd.Failed(1, "failed", text, b"x"),
        ]:
            assert "invalid digit" in text
        case other:
            pytest.fail(f"{other}")


def test_a_failure_is_an_exception_with_code_text_and_number(node: pylmd.Node) -> None:
    results = node.map("server.fail", ["a", "b"])
    with pytest.raises(pylmd.MessageError) as raised:
        next(results)
    error = raised.value
    assert (error.code, error.number, error.payload) == ("failed", 0, b"a")
    assert error.text and error.text in str(error)
    assert list(results) == [], "the job has ended with it"
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.text, again.number, again.payload) == (error.code, error.text, 0, b"a")

    with pytest.raises(pylmd.MessageError, match="unknown-function"):
        node.call("server.nowhere", b"")
    with pytest.raises(pylmd.MessageError, match="panicked"):
        node.submit("server.panic", b"oh").result(10)


def test_failures_can_be_had_in_their_places(node: pylmd.Node) -> None:
    results = list(node.map("server.count", ["1", "x", "1"], return_exceptions=True))
    assert [type(result).__name__ for result in results] == ["bytes", "MessageError", "bytes"]


def test_a_message_that_takes_too_long_is_a_timeout(node: pylmd.Node) -> None:
    with pytest.raises(TimeoutError) as raised:
        node.call("server.until_cancelled", b"/dev/null", timeout=0.1)
    assert isinstance(raised.value, pylmd.MessageTimeoutError)
    assert pickle.loads(pickle.dumps(raised.value)).code == "timeout"


def test_what_the_source_raises_comes_out_and_cancels(node: pylmd.Node) -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(node.map("server.slow_echo", broken()))
    with pytest.raises(TypeError, match="not int"):
        list(node.map("server.echo", [1]))  # type: ignore[list-item]  # pyright: ignore


def test_all_kinds_of_payload_arrive_as_they_are(node: pylmd.Node) -> None:
    large = bytes(range(256)) * 1024
    numbers = array.array("d", [0.5] * 10_000)
    kinds: list[tuple[bytes | str | bytearray | memoryview | array.array[float], bytes]] = [
        (b"", b""),
        ("grün", "grün".encode()),
        ("ü" * 20_000, ("ü" * 20_000).encode()),
        (large, large),
        (bytearray(large), large),
        (memoryview(large)[1:], large[1:]),
        (memoryview(bytearray(large)).toreadonly(), large),
        (numbers, numbers.tobytes()),
        (memoryview(numbers).toreadonly(), numbers.tobytes()),
    ]
    for payload, expected in kinds:
        assert node.call("server.echo", payload) == expected
    with pytest.raises(BufferError, match="contiguous"):
        node.call("server.echo", memoryview(large)[::2])


def test_a_buffer_that_changes_after_it_was_sent_changes_no_message(node: pylmd.Node) -> None:
    buffer = bytearray(b"a" * 100_000)
    future = node.submit("server.slow_echo", buffer)
    buffer[:] = b"b" * 100_000
    assert future.result(10) == b"a" * 100_000


def test_views_hold_what_they_show(node: pylmd.Node) -> None:
    views = list(node.map("server.echo", [b"x" * 100_000] * 3, views=True))
    gc.collect()
    for view in views:
        assert isinstance(view, memoryview) and view.readonly
        assert view == b"x" * 100_000


def test_futures_are_those_of_the_standard_library(node: pylmd.Node) -> None:
    futures = [node.submit("server.echo", str(number)) for number in range(1000)]
    done, waiting = concurrent.futures.wait(futures, timeout=30)
    assert (len(done), len(waiting)) == (1000, 0)
    assert [future.result() for future in futures] == [b"%d" % number for number in range(1000)]


def test_a_callback_may_submit(node: pylmd.Node) -> None:
    finished = threading.Event()
    left = 500

    def again(_: concurrent.futures.Future[bytes]) -> None:
        nonlocal left
        left -= 1
        if left:
            node.submit("server.echo", b"again").add_done_callback(again)
        else:
            finished.set()

    node.submit("server.echo", b"first").add_done_callback(again)
    assert finished.wait(30)


def test_futures_can_be_awaited(node: pylmd.Node) -> None:
    async def both() -> list[bytes]:
        futures = [node.submit("server.echo", text) for text in ("a", "b")]
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    assert asyncio.run(both()) == [b"a", b"b"]


def test_a_job_has_two_halves_for_two_threads(node: pylmd.Node) -> None:
    sender, outputs = node.job("server.echo", window=100).open()

    def send() -> None:
        with sender:
            for number in range(5000):
                assert sender.send(b"%d" % number) == number

    writer = threading.Thread(target=send)
    writer.start()
    results = [output.payload for output in outputs if isinstance(output, pylmd.Result)]
    writer.join(30)
    assert sorted(map(int, results)) == list(range(5000))
    with pytest.raises(pylmd.JobFinishedError):
        sender.send(b"late")


def test_a_cancelled_job_says_so_for_each_message(node: pylmd.Node) -> None:
    sender, outputs = node.job("server.until_cancelled").open()
    for _ in range(3):
        sender.send(b"/dev/null")
    sender.finish()
    outputs.cancel()
    assert [output.code for output in outputs if isinstance(output, pylmd.Failed)] == ["cancelled"] * 3


def test_threads_share_a_client(node: pylmd.Node) -> None:
    def work(thread: int) -> bool:
        payloads = [b"%d-%d" % (thread, number) for number in range(2000)]
        return list(node.map("server.echo", payloads)) == payloads

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_other_threads_run_while_one_waits(node: pylmd.Node) -> None:
    waiting = threading.Thread(target=lambda: node.call("server.sleep_for", "500"))
    waiting.start()
    ticks = 0
    while waiting.is_alive():
        time.sleep(0.01)
        ticks += 1
    assert ticks > 20


def test_options_are_checked_where_they_are_given(node: pylmd.Node) -> None:
    with pytest.raises(ValueError, match="timeout"):
        node.job("server.echo", timeout=-1)
    with pytest.raises(ValueError, match="retries"):
        node.job("server.echo", retries=-1)
    with pytest.raises(ValueError, match="buffersize"):
        node.map("server.echo", [], buffersize=0)
    with pytest.raises(TypeError, match="timeout"):
        node.job("server.echo", timeout="soon")  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(TypeError):
        node.job("server.echo", colour="red")  # type: ignore[call-arg]  # pyright: ignore


def test_retries_run_what_fails_again(node: pylmd.Node) -> None:
    assert node.call("server.fail_first", "2", retries=3) == b"3"


def test_the_cache_reads_as_a_dictionary(node: pylmd.Node) -> None:
    node.cache["a"] = b"1"
    assert node.cache["a"] == b"1" and "a" in node.cache
    del node.cache["a"]
    with pytest.raises(KeyError):
        node.cache["a"]
    with pytest.raises(KeyError):
        del node.cache["a"]
    assert node.cache.get("a", b"none") == b"none"
    with pytest.raises(ValueError):
        node.cache[""] = b""


def test_a_node_that_is_not_there_is_said_so() -> None:
    begin = time.monotonic()
    with pytest.raises(pylmd.NoAnswerError, match="pylmd"):
        pylmd.connect("tcp://127.0.0.1:9", patience=0.3)
    assert time.monotonic() - begin < 5
    with pytest.raises(pylmd.ConnectError, match="tcp://"):
        pylmd.connect("nowhere")


def test_after_close_all_calls_say_so(shared: Server) -> None:
    node = pylmd.connect(shared.address)
    results = node.map("server.until_cancelled", [b"/dev/null"])
    future = node.submit("server.until_cancelled", b"/dev/null")
    node.close()
    node.close()
    calls: list[Callable[[], object]] = [
        lambda: node.call("server.echo", b""),
        lambda: next(results),
        lambda: future.result(10),
    ]
    for call in calls:
        with pytest.raises(pylmd.ClosedError):
            call()
    assert node.status == "stopped"
