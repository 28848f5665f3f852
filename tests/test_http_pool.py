"""Connections are kept, counted, handed over and thrown away so that no answer meets the wrong question."""

import asyncio
import random
import socket
from dataclasses import replace

import pytest

from gatewayd.core.causes import LostCause
from gatewayd.core.terms import Lost, Operation
from gatewayd.gateways.contract import Reply
from gatewayd.io.http import HttpTransport
from gatewayd.io.http_pool import SITES_MAX, TARGETS_MAX, PoolCounts
from tests.bank_server import (
    ANSWER,
    LONG,
    OK,
    SETTINGS,
    SHORT,
    Peer,
    Script,
    answer_all,
    ask,
    client,
    hang,
    serving,
    until,
)

BOTH_LOOPS = True
ONE = replace(SETTINGS, connections_max=1)


async def until_open(transport: HttpTransport, count: int) -> None:
    """Wait until the pool has this many connections."""
    await until(lambda: transport.counts()["bank"].open == count)


def numbered(scripts: list[Script]) -> Script:
    """Plays the first script on the first connection, and so on; the last one on all that follow."""

    async def script(peer: Peer) -> None:
        await scripts[min(peer.number, len(scripts)) - 1](peer)

    return script


async def answer_then_close_unread(peer: Peer) -> None:
    """Answer once, then take the next request and close without a word."""
    await peer.answer()
    await peer.request()


async def answer_once_and_hang_up(peer: Peer) -> None:
    await peer.answer()


async def test_one_connection_serves_one_call_after_another() -> None:
    async with serving(answer_all) as server, client() as transport:
        for _ in range(5):
            assert ANSWER == await ask(transport, server.url)

        assert (1, 5) == (server.connections, len(server.requests))
        assert PoolCounts(open=1, idle=1, dialled=1, reused=4) == transport.counts()["bank"]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
        OK + b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother",
        OK + b"x",
    ],
)
async def test_a_connection_is_not_used_again_after_a_reply_that_forbids_it(reply: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(reply)
        await peer.closed_by_client()

    async with serving(script) as server, client() as transport:
        for _ in range(3):
            answer = await ask(transport, server.url, operation=Operation.START)
            assert isinstance(answer, Reply)
            assert b"ok" == answer.body

        assert 3 == server.connections


async def test_a_bank_that_answers_before_it_has_read_everything_gets_a_new_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with serving(script) as server, client() as transport:
        for _ in range(2):
            answer = await ask(transport, server.url, body=b"x" * 50_000_000)
            assert isinstance(answer, Reply)
            assert 413 == answer.status

        assert 2 == server.connections


async def test_an_idle_connection_that_the_bank_closes_is_dropped_at_once() -> None:
    async with serving(answer_once_and_hang_up) as server, client() as transport:
        assert ANSWER == await ask(transport, server.url, operation=Operation.START)
        await until_open(transport, 0)
        assert ANSWER == await ask(transport, server.url, operation=Operation.START)

        assert 2 == server.connections


async def test_words_that_nobody_asked_for_are_never_taken_for_the_next_answer() -> None:
    answered = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.answer()
        await answered.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        await peer.closed_by_client()

    async with serving(numbered([talk, answer_all])) as server, client() as transport:
        assert ANSWER == await ask(transport, server.url)
        answered.set()
        await until_open(transport, 0)
        assert ANSWER == await ask(transport, server.url)


async def test_a_close_that_the_loop_has_not_seen_yet_is_seen_before_a_start_is_sent() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def answer() -> socket.socket:
            end, _ = await loop.sock_accept(listener)
            await loop.sock_recv(end, 65_536)
            await loop.sock_sendall(end, OK)
            return end

        async with client() as transport:
            first, end = await asyncio.gather(ask(transport, url), answer())
            end.close()  # and no turn of the loop before the next call
            second = loop.create_task(answer())
            assert [ANSWER, ANSWER] == [first, await ask(transport, url, operation=Operation.START)]
            (await second).close()


@pytest.mark.parametrize("operation", [Operation.INQUIRE, Operation.SETTLE, Operation.REVERSE])
async def test_what_may_happen_twice_is_sent_once_more_when_a_kept_connection_dies(
    operation: Operation,
) -> None:
    script = numbered([answer_then_close_unread, answer_all])
    async with serving(script) as server, client() as transport:
        await ask(transport, server.url)
        assert ANSWER == await ask(transport, server.url, operation=operation)

        assert (2, 3) == (server.connections, len(server.requests))


@pytest.mark.parametrize("operation", [Operation.START, Operation.REFUND, Operation.VERIFY])
async def test_what_may_not_be_repeated_out_of_sight_is_sent_once(operation: Operation) -> None:
    async with serving(answer_then_close_unread) as server, client() as transport:
        await ask(transport, server.url)
        answer = await ask(transport, server.url, operation=operation)

        assert Lost(reached=True, cause=LostCause.CLOSED) == answer
        assert (1, 2) == (server.connections, len(server.requests))


@pytest.mark.parametrize(
    ("last_words", "cause"),
    [(b"", LostCause.CLOSED), (b"HTTP/1.1 2", LostCause.CUT)],
)
async def test_a_fresh_connection_or_a_begun_reply_is_no_reason_to_repeat(
    last_words: bytes, cause: LostCause
) -> None:
    async def script(peer: Peer) -> None:
        if last_words:
            await peer.answer()
        await peer.answer(last_words)

    async with serving(script) as server, client() as transport:
        if last_words:
            await ask(transport, server.url)
        answer = await ask(transport, server.url, operation=Operation.INQUIRE)

        assert Lost(reached=True, cause=cause) == answer
        assert 1 == server.connections


async def test_nothing_is_sent_a_third_time() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()

    async with (
        serving(numbered([answer_then_close_unread, refuse])) as server,
        client() as transport,
    ):
        await ask(transport, server.url)
        answer = await ask(transport, server.url, operation=Operation.INQUIRE)

        assert Lost(reached=True, cause=LostCause.CLOSED) == answer
        assert (2, 3) == (server.connections, len(server.requests))


async def test_a_repeat_that_cannot_be_sent_does_not_undo_that_the_first_may_have_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        async def play() -> None:
            end, _ = await loop.sock_accept(listener)
            with end:
                await loop.sock_recv(end, 65_536)
                await loop.sock_sendall(end, OK)
                await loop.sock_recv(end, 65_536)
                listener.close()

        async with client() as transport:
            playing = loop.create_task(play())
            await ask(transport, url)
            answer = await ask(transport, url, operation=Operation.SETTLE)
            await playing

    assert Lost(reached=True, cause=LostCause.REFUSED) == answer


async def test_an_answer_that_comes_too_late_meets_no_other_question() -> None:
    late = asyncio.Event()

    async def dawdle(peer: Peer) -> None:
        await peer.request()
        await late.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    async with (
        serving(numbered([dawdle, answer_all])) as server,
        client(replace(ONE, warm=1), base_urls=(server.url,)) as transport,
    ):
        await transport.warm()
        assert Lost(reached=True, cause=LostCause.REPLY_TIMEOUT) == await ask(
            transport, server.url, seconds=SHORT
        )
        second = asyncio.get_running_loop().create_task(ask(transport, server.url))
        late.set()

        assert ANSWER == await second


async def test_a_cancelled_call_closes_its_connection_and_frees_its_place() -> None:
    async with serving(numbered([hang, answer_all])) as server, client(ONE) as transport:
        task = asyncio.get_running_loop().create_task(ask(transport, server.url))
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 == transport.counts()["bank"].open
        await until(lambda: bool(server.closed))

        assert ANSWER == await ask(transport, server.url)


@pytest.mark.parametrize("turns", range(8))
async def test_a_call_may_be_cancelled_at_any_moment_of_its_dialling(turns: int) -> None:
    async with serving(answer_all) as server, client(ONE) as transport:
        task = asyncio.get_running_loop().create_task(ask(transport, server.url))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert ANSWER == await ask(transport, server.url)


async def test_calls_beyond_the_limit_take_turns() -> None:
    async with (
        serving(answer_all) as server,
        client(replace(SETTINGS, connections_max=2)) as transport,
    ):
        answers = await asyncio.gather(*(ask(transport, server.url) for _ in range(20)))

        assert [ANSWER] * 20 == answers
        assert (2, 20) == (server.connections, len(server.requests))
        assert 2 == transport.counts()["bank"].open


async def test_the_line_is_limited_and_a_wait_in_it_ends() -> None:
    settings = replace(SETTINGS, connections_max=1, waiting_max=1)
    async with serving(hang) as server, client(settings) as transport:
        loop = asyncio.get_running_loop()
        first = loop.create_task(ask(transport, server.url))
        await until_open(transport, 1)
        second = loop.create_task(ask(transport, server.url, seconds=SHORT))
        await asyncio.sleep(0)
        third = await ask(transport, server.url)

        full = Lost(reached=False, cause=LostCause.POOL_FULL)
        assert 1 == transport.counts()["bank"].waiting
        assert [full, full] == [third, await second]
        assert 0 == transport.counts()["bank"].waiting
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_whoever_gives_up_waiting_keeps_nobody_from_a_turn() -> None:
    async with serving(answer_all) as server, client(ONE) as transport:
        loop = asyncio.get_running_loop()
        for turns in range(12):
            tasks = [loop.create_task(ask(transport, server.url)) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            tasks[1].cancel()
            tasks[2].cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)

            assert [ANSWER, ANSWER] == [answers[0], answers[3]]
        counts = transport.counts()["bank"]
        assert (1, 1, 0) == (counts.open, counts.idle, counts.waiting)


async def test_who_waits_for_another_host_gets_the_place_of_one_that_is_done() -> None:
    async with serving(answer_all) as one, serving(answer_all) as other, client(ONE) as transport:
        answers = await asyncio.gather(ask(transport, one.url), ask(transport, other.url))
        assert [ANSWER, ANSWER] == list(answers)
        assert ANSWER == await ask(transport, one.url)

        assert 1 == transport.counts()["bank"].open


async def test_when_a_bank_fails_those_in_line_are_told_one_by_one() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/"
        async with client(ONE) as transport:
            answers = await asyncio.gather(*(ask(transport, url) for _ in range(5)))

    assert [Lost(reached=False, cause=LostCause.REFUSED)] * 5 == answers


async def test_what_is_idle_too_long_is_closed_without_being_asked() -> None:
    async with (
        serving(answer_all) as server,
        client(replace(SETTINGS, idle_seconds=SHORT)) as transport,
    ):
        await asyncio.gather(*(ask(transport, server.url) for _ in range(3)))
        await until_open(transport, 0)

        assert 0 == transport.counts()["bank"].idle


async def test_warm_connections_are_open_before_the_first_call() -> None:
    async with serving(answer_all) as server:
        urls = (server.url, server.url + "/other")
        async with client(replace(SETTINGS, warm=3), base_urls=urls) as transport:
            assert {} == await transport.warm()
            assert ANSWER == await ask(transport, server.url, operation=Operation.START)

            assert PoolCounts(open=3, idle=3, dialled=3, reused=1) == transport.counts()["bank"]


async def test_a_bank_that_cannot_be_warmed_is_named_and_hinders_nobody() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/"
        async with serving(answer_all) as server, client(base_urls=(url,)) as transport:
            transport.add("other", (server.url,), SETTINGS)
            assert {"bank": LostCause.REFUSED} == await transport.warm()

            assert SETTINGS.warm == transport.counts()["other"].idle


async def test_new_settings_let_calls_under_way_end() -> None:
    go = asyncio.Event()

    async def wait(peer: Peer) -> None:
        await peer.request()
        await go.wait()
        await peer.send(OK)
        await peer.closed_by_client()

    async with serving(numbered([wait, answer_all])) as server, client() as transport:
        first = asyncio.get_running_loop().create_task(ask(transport, server.url))
        await until(lambda: bool(server.requests))
        transport.add("bank", (), SETTINGS)
        go.set()

        assert [ANSWER, ANSWER] == [await first, await ask(transport, server.url)]
        assert 2 == server.connections


async def test_a_closed_client_loses_what_is_under_way_and_sends_nothing_more() -> None:
    async with serving(hang) as server, client(ONE) as transport:
        loop = asyncio.get_running_loop()
        first = loop.create_task(ask(transport, server.url))
        await until(lambda: bool(server.requests))
        second = loop.create_task(ask(transport, server.url))
        await asyncio.sleep(0)
        await transport.close()

        assert Lost(reached=True, cause=LostCause.CLOSED) == await first
        stopping = Lost(reached=False, cause=LostCause.STOPPING)
        assert [stopping, stopping] == [await second, await ask(transport, server.url)]


async def test_a_driver_cannot_fill_the_memory_with_addresses() -> None:
    async with serving(answer_all) as server, client() as transport:
        for number in range(TARGETS_MAX + 10):
            assert ANSWER == await ask(transport, f"{server.url}/{number}")

        assert len(transport._pools["bank"]._targets) <= TARGETS_MAX
        assert 1 == server.connections


async def test_a_driver_cannot_fill_the_memory_with_hosts() -> None:
    async with client() as transport:
        answers = [
            await ask(transport, f"https://127.0.0.1:{port}/", seconds=0.0)
            for port in range(20_000, 20_001 + SITES_MAX)
        ]

    unsendable = Lost(reached=False, cause=LostCause.UNSENDABLE)
    assert [False] * SITES_MAX + [True] == [answer == unsendable for answer in answers]


@pytest.mark.parametrize("url", ["http://bank.example/", "nonsense", "https://bank.example/a b"])
async def test_a_gateway_with_a_base_url_that_cannot_be_used_is_not_added(url: str) -> None:
    async with client() as transport:
        with pytest.raises(ValueError, match=r"https|host|path"):
            transport.add("other", (url,), SETTINGS)


async def test_plain_http_can_be_allowed() -> None:
    async with client(replace(SETTINGS, allow_http=True), lookup=None) as transport:
        answer = await ask(transport, "http://bank.example/", seconds=0.0)

    assert LostCause.PLAIN_HTTP != answer.cause  # type: ignore[union-attr]  # there was no time for a reply


@pytest.mark.parametrize("seed", range(6))
async def test_in_any_chaos_every_reply_is_its_own_and_every_place_comes_back(seed: int) -> None:
    rng = random.Random(seed)

    async def moody(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            match rng.choice(["answer"] * 6 + ["close", "reset", "cut", "last", "twice", "late"]):
                case "close":
                    return None
                case "reset":
                    return peer.reset()
                case "cut":
                    return await peer.send(reply[:-1])
                case "last":
                    return await peer.send(reply)
                case "twice":
                    await peer.send(reply + reply)
                case "late":
                    await asyncio.sleep(SHORT)
                    await peer.send(reply)
                case _:
                    await peer.send(reply)

    async def asked(transport: HttpTransport, url: str, number: int) -> str:
        await asyncio.sleep(rng.random() * SHORT)
        operation = rng.choice(list(Operation))
        seconds = rng.choice([LONG, LONG, SHORT / 2])
        answer = await ask(
            transport, url, body=b"%d" % number, operation=operation, seconds=seconds
        )
        if isinstance(answer, Reply):
            return "right" if answer.body == b"%d" % number else "wrong"
        return "lost"

    settings = replace(SETTINGS, connections_max=4, idle_seconds=SHORT / 4)
    async with serving(moody) as server, client(settings) as transport:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(asked(transport, server.url, number)) for number in range(120)]
        for task in rng.sample(tasks, 20):
            loop.call_later(rng.random() * SHORT, task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert {"right", "lost"} == {each for each in results if isinstance(each, str)}
        assert {asyncio.CancelledError} >= {type(each) for each in results} - {str}
        await until_open(transport, 0)
        pool = transport._pools["bank"]
        assert (0, 0, 0) == (pool._dialling, len(pool._waiters), pool.counts().idle)
