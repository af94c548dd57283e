"""The contract of the ledger's store: one suite, every store."""

import contextlib
import json
import multiprocessing
import os
import pickle
import random
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.demo.engines import Engine
from tests.support.engines import make_table, unique_name
from tests.support.memory_store import MemoryStore
from transforms.dynamodb.client import DynamoDBClient
from transforms.dynamodb.errors import ConnectionLostError, UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import (
    Response,
    Transport,
    TransportConfig,
    make_transport,
)
from transforms.ledger import dynamodb_store
from transforms.ledger.dynamodb_store import DynamoDBStore
from transforms.ledger.errors import LedgerError, LedgerUnreachableError
from transforms.ledger.location import LedgerLocation, open_store
from transforms.ledger.sqlite_store import SQLiteStore
from transforms.ledger.store import Check, Delete, LedgerStore, Put, Row
from transforms.throttle.clock import HeldClock, SystemClock

REGION = "eu-west-1"
pytestmark = pytest.mark.usefixtures("engine_credentials")


SHARED = [
    "sqlite",
    pytest.param("moto", marks=pytest.mark.emulator),
    pytest.param("dynoxide", marks=pytest.mark.dynoxide),
]


@pytest.fixture(params=["memory", *SHARED])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerStore:
    """An empty ledger, once a store; that of simulations is one of them."""
    return open_one(request, tmp_path)


@pytest.fixture(params=SHARED)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerStore:
    """An empty ledger that threads and processes share."""
    return open_one(request, tmp_path)


def open_one(request: pytest.FixtureRequest, directory: Path) -> LedgerStore:
    opened: LedgerStore
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = SQLiteStore(directory / "ledger.sqlite")
    else:
        engine: Engine = request.getfixturevalue(request.param)
        url = engine.endpoint_url(REGION)
        opened = DynamoDBStore(TableRef(unique_name("l"), REGION, endpoint_url=url))
    opened.prepare()
    return opened


def a_row(sort: str, version: int = 1, data: bytes = b"data") -> Row:
    return Row("leases", sort, version, data)


def test_a_row_comes_back_as_it_was_written(store):
    rows = [
        Row("leases", "w1", 7, bytes(range(256)), expires_at=2_000_000_000),
        Row("leases", "größe €😀", 2**62, b""),
    ]
    store.put_many(rows)
    assert [store.get(row.partition, row.sort) for row in rows] == rows


def test_a_row_that_is_not_there_is_none(store):
    assert store.get("leases", "w1") is None


def test_a_partition_lists_its_rows_by_prefix_in_the_order_of_their_bytes(store):
    names = ["b", "a/2", "a/10", "a", "A", "é", "z", "a\U0010ffff"]
    store.put_many(a_row(name) for name in names)
    store.put_many([Row("receipts", "a/1", 1, b"")])
    by_bytes = sorted(names, key=str.encode)
    assert [row.sort for row in store.rows("leases")] == by_bytes
    assert [row.sort for row in store.rows("leases", "a/")] == ["a/10", "a/2"]
    assert store.rows("nothing") == []


def test_put_many_takes_many_and_the_last_of_one_key_wins(store):
    rows = [a_row(f"{number:03}") for number in range(60)]
    store.put_many([*rows, a_row("007", 2, b"later")])
    assert len(store.rows("leases")) == 60
    assert store.get("leases", "007") == a_row("007", 2, b"later")


def test_a_partition_larger_than_a_page_is_listed_whole(store):
    store.put_many(a_row(f"{number}", data=bytes(300_000)) for number in range(5))
    assert [len(row.data) for row in store.rows("leases")] == [300_000] * 5


def test_a_commit_needs_the_version_that_was_seen(store):
    assert store.commit([Put(a_row("w1", 1), expected=None)])
    assert not store.commit([Put(a_row("w1", 2, b"new"), expected=None)])
    assert not store.commit([Put(a_row("w1", 3, b"new"), expected=2)])
    assert store.get("leases", "w1") == a_row("w1", 1)
    assert store.commit([Put(a_row("w1", 2, b"new"), expected=1)])
    assert store.get("leases", "w1") == a_row("w1", 2, b"new")


def test_a_commit_changes_all_of_its_rows_or_none(store):
    store.put_many([a_row("counter"), a_row("w1"), a_row("w2")])
    writes = [
        Put(a_row("counter", 2), 1),
        Delete("leases", "w1"),
        Check("leases", "w2", 9),
    ]
    assert not store.commit(writes)
    assert {row.sort: row.version for row in store.rows("leases")} == {
        "counter": 1,
        "w1": 1,
        "w2": 1,
    }
    assert store.commit([*writes[:2], Check("leases", "w2", 1)])
    assert {row.sort: row.version for row in store.rows("leases")} == {
        "counter": 2,
        "w2": 1,
    }


def test_a_check_alone_tells_what_is_there(store):
    store.put_many([a_row("epoch", 3)])
    assert store.commit([Check("leases", "epoch", 3)])
    assert not store.commit([Check("leases", "epoch", 2)])
    assert store.commit([Check("leases", "no epoch", None)])
    assert not store.commit([Check("leases", "epoch", None)])


def test_a_conditional_delete_removes_only_what_was_seen(store):
    store.put_many([a_row("w1", 2)])
    assert not store.commit([Delete("leases", "w1", expected=1)])
    assert store.commit([Delete("leases", "w1", expected=2)])
    store.delete("leases", "w1")  # already gone
    assert store.get("leases", "w1") is None


def test_a_commit_of_nothing_or_of_one_row_twice_is_refused(store):
    with pytest.raises(ValueError, match="1 to 100 writes, got 0"):
        store.commit([])
    with pytest.raises(ValueError, match="about one row"):
        store.commit([Put(a_row("w1")), Check("leases", "w1", 1)])


def test_of_threads_that_commit_over_one_version_one_succeeds(shared):
    shared.put_many([a_row("counter", 1)])
    barrier = threading.Barrier(6)

    def commit(number: int) -> bool:
        barrier.wait(20)
        row = a_row("counter", 2, b"%d" % number)
        committed: bool = shared.commit([Put(row, 1), Put(a_row(f"w{number}"))])
        return committed

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(commit, range(6)))
    assert sum(results) == 1
    winner = results.index(True)
    assert [row.sort for row in shared.rows("leases", "w")] == [f"w{winner}"]


def count_up(store: LedgerStore, times: int) -> None:
    for _ in range(times):
        while True:
            row = store.get("counters", "c") or Row("counters", "c", 0, b"0")
            count = b"%d" % (int(row.data) + 1)
            seen = row.version or None
            data = Row("counters", "c", row.version + 1, count)
            if store.commit([Put(data, expected=seen)]):
                break


def test_processes_that_were_sent_the_store_lose_no_update(shared):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=count_up, args=(shared, 10)) for _ in range(3)]
    for worker in workers:
        worker.start()
    count_up(shared, 10)
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert shared.get("counters", "c") == Row("counters", "c", 40, b"40")


def test_a_forked_child_writes_beside_its_parent(shared):
    shared.put_many([a_row("before")])
    child = os.fork()
    if child == 0:
        try:
            shared.put_many([a_row("child")])
        finally:
            os._exit(0)
    shared.put_many([a_row("parent")])
    assert os.waitpid(child, 0)[1] == 0
    sorts = [row.sort for row in shared.rows("leases")]
    assert sorts == ["before", "child", "parent"]


def test_prepare_can_be_called_again_and_keeps_the_rows(shared):
    shared.put_many([a_row("w1")])
    pickle.loads(pickle.dumps(shared)).prepare()
    assert shared.get("leases", "w1") == a_row("w1")


def test_a_ledgers_text_reads_back(tmp_path):
    source = TableRef(
        "birds", "eu-west-1", endpoint_url="http://127.0.0.1:1", profile="p"
    )
    near = LedgerLocation.parse("dynamodb:ledger", source)
    far = LedgerLocation.parse("dynamodb:us-east-1/ledger", source)
    file = LedgerLocation.parse(f"sqlite:{tmp_path}/l.sqlite", source)
    assert [str(near), str(far)] == [
        "dynamodb:eu-west-1/ledger",
        "dynamodb:us-east-1/ledger",
    ]
    assert isinstance(near.where, TableRef)
    assert near.where.profile == "p"
    assert isinstance(open_store(near), DynamoDBStore)
    assert isinstance(open_store(file), SQLiteStore)
    for location in (near, far, file):
        assert LedgerLocation.parse(str(location), source) == location


@pytest.mark.parametrize("text", ["", "ledger", "sqlite:", "dynamodb:", "redis:x"])
def test_a_ledger_of_no_known_form_is_refused(text):
    with pytest.raises(UserError, match="write sqlite:PATH, dynamodb:TABLE"):
        LedgerLocation.parse(text, TableRef("birds", "eu-west-1"))


def test_a_ledger_file_that_cannot_be_made_is_the_users_mistake(tmp_path):
    missing = SQLiteStore(tmp_path / "missing" / "ledger.sqlite")
    with pytest.raises(UserError, match="cannot write the run's ledger"):
        missing.prepare()
    with pytest.raises(LedgerError, match="local disk, writable"):
        missing.get("leases", "w1")


def test_a_file_that_is_no_ledger_is_the_users_mistake(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(UserError, match="file is not a database"):
        SQLiteStore(path).prepare()


def test_a_file_locked_for_longer_than_the_timeout_is_unreachable(tmp_path):
    store = SQLiteStore(tmp_path / "ledger.sqlite", busy_timeout_seconds=0.05)
    store.prepare()
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnreachableError, match="locked by another process"):
            store.put_many([a_row("w1")])
        other.execute("ROLLBACK")
    store.put_many([a_row("w1")])  # and is used again when it answers


def test_expired_rows_are_forgotten_when_the_next_run_prepares(tmp_path):
    store = SQLiteStore(tmp_path / "ledger.sqlite", clock=HeldClock(wall_seconds=100))
    store.put_many([Row("runs", "old", 1, b"", 99), Row("runs", "kept", 1, b"", 101)])
    store.prepare()
    assert [row.sort for row in store.rows("runs")] == ["kept"]


def test_a_table_that_is_no_ledger_is_the_users_mistake(engine):
    name = make_table(engine, REGION, unique_name(), "id")
    table = TableRef(name, REGION, endpoint_url=engine.endpoint_url(REGION))
    with pytest.raises(UserError, match="its keys are not p and s"):
        DynamoDBStore(table).prepare()


def test_a_ledger_nobody_answers_for_is_unreachable():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        table = TableRef("ledger", REGION, endpoint_url=url)
        store = DynamoDBStore(table, timeout_seconds=0.2)
        with pytest.raises(LedgerUnreachableError, match="was given up"):
            store.get("leases", "w1")


class ReplyLost:
    """A transport that applies the first write and loses its answer."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._lost = transport, False

    async def send(self, operation: str, body: bytes) -> Response:
        response = await self._transport.send(operation, body)
        if operation in {"PutItem", "TransactWriteItems"} and not self._lost:
            self._lost = True
            raise ConnectionLostError("lost on its way")
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()


def test_a_commit_whose_answer_was_lost_is_known_for_its_own(engine, monkeypatch):
    url = engine.endpoint_url(REGION)
    table = TableRef(unique_name("l"), REGION, endpoint_url=url)
    store = DynamoDBStore(table)
    store.prepare()

    def losing(table: TableRef, config: TransportConfig) -> DynamoDBClient:
        transport = ReplyLost(make_transport(table, config))
        rng = random.Random(1)
        return DynamoDBClient(table, transport, clock=SystemClock(), rng=rng)

    for writes in ([Put(a_row("w1"), None)], [Put(a_row("w2"), None), Put(a_row("c"))]):
        client = losing(table, TransportConfig())
        monkeypatch.setattr(dynamodb_store, "client_for", lambda *_, one=client: one)
        assert store.commit(writes)
        assert not store.commit([Put(a_row(writes[0].row.sort), None)])
        worker_loop().run(client.aclose())


class Denied:
    """A transport to a service that allows nothing."""

    async def send(self, operation: str, body: bytes) -> Response:
        text = {"__type": "AccessDeniedException", "message": "not authorized"}
        return Response(400, json.dumps(text).encode(), {})

    async def aclose(self) -> None:
        pass


def test_missing_rights_are_the_users_mistake_and_name_them(monkeypatch):
    table = TableRef("ledger", REGION)
    client = DynamoDBClient(table, Denied(), clock=SystemClock(), rng=random.Random(1))
    monkeypatch.setattr(dynamodb_store, "client_for", lambda *_: client)
    with pytest.raises(UserError, match=r"allow dynamodb:DescribeTable.*PutItem"):
        DynamoDBStore(table).prepare()
