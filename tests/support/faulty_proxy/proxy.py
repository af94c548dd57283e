"""The proxy itself: one aiohttp server in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.faulty_proxy import replies
from tests.support.faulty_proxy.admission import Admission, Admitted
from tests.support.faulty_proxy.buckets import Capacity
from tests.support.faulty_proxy.faults import Fault, FaultDice, Faults
from tests.support.faulty_proxy.recording import Recording
from tests.support.faulty_proxy.wire import ServiceRequest, checksum, read_request
from transforms.throttle.clock import SystemClock

__all__ = ["FaultyProxy"]

_JSON = "application/x-amz-json-1.0"
_READY_SECONDS = 20.0


class FaultyProxy:
    """Serves on a free port of this host until it is closed.

    `limit`, `faults`, `down_regions`, `expired_keys` and `denied` (operations) may be
    set at any time, from any thread; `recording` may be read at any time.
    """

    def __init__(
        self, endpoints: Mapping[str, str], *, latency_seconds: float = 0.0
    ) -> None:
        """Takes where each region's engine is; the first serves unsigned requests."""
        self.url = ""
        self.recording = Recording()
        self.down_regions: set[str] = set()
        self.expired_keys: set[str] = set()
        self.denied: set[str] = set()
        self._endpoints = dict(endpoints)
        self._latency_seconds = latency_seconds
        self._clock = SystemClock()
        self._dice = FaultDice(Faults())
        self._admission = Admission(self.recording)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="faulty-proxy")
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on; setting it begins its seed anew."""
        return self._dice.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._dice = FaultDice(faults)

    def limit(self, region: str, table: str, capacity: Capacity) -> None:
        """Provisions a table; DescribeTable then says so, too."""
        self._call(self._limit(region, table, capacity))

    def __enter__(self) -> "FaultyProxy":  # noqa: PYI034 (Self is in typing from 3.11)
        """Starts to serve."""
        self._thread.start()
        assert self._ready.wait(_READY_SECONDS)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the server, its connections and its thread."""
        assert self._stopping is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_READY_SECONDS)

    # --- the proxy's thread --------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised in __enter__
            self._failure = error
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        application = web.Application(client_max_size=32 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            connector=connector, auto_decompress=False
        ) as self._session:
            self._ready.set()
            await self._stopping.wait()
            await runner.cleanup()

    async def _limit(self, region: str, table: str, capacity: Capacity) -> None:
        key = region, table
        self._admission.limit(key, capacity, self._clock.monotonic())
        body = {"TableName": table}
        described = ServiceRequest(region, "", "DescribeTable", body)
        status, reply = await self._forward(described, body, {})
        if status == 200:
            self._admission.learn_keys(key, reply)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = request.headers
        asked = read_request(
            headers.get("Authorization", ""),
            headers.get("X-Amz-Target", ""),
            await request.read(),
            next(iter(self._endpoints)),
        )
        self.recording.requests[asked.operation] += 1
        if asked.region in self.down_regions:
            self.recording.faults["down"] += 1
            return _reset(request)
        if asked.access_key in self.expired_keys:
            return _error(*replies.expired_token())
        if asked.operation in self.denied:
            table = next(iter(asked.tables), "")
            return _error(*replies.denied(asked.operation, asked.region, table))
        fault = self._dice.draw(asked.operation, spends=asked.direction is not None)
        if fault is not None:
            self.recording.faults[fault] += 1
        if refusal := self._refusal(asked, fault):
            return _error(*refusal)
        if fault == "resets_before":
            return _reset(request)
        status, body = await self._serve_request(asked, fault, headers)
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        return await self._reply(request, status, body, fault)

    def _refusal(
        self, asked: ServiceRequest, fault: Fault | None
    ) -> replies.ErrorReply | None:
        """What a fault says before anything is applied."""
        match fault:
            case "throttled":
                table = asked.tables[0] if asked.tables else ""
                self.recording.throttled[asked.region, table] += 1
                way = asked.direction or "read"
                return replies.throttled(asked.region, table, way, "table")
            case "unavailable":
                return replies.unavailable()
            case "expired":
                return replies.expired_token()
            case "internal_errors" if self._dice.rng.random() < 0.5:
                return replies.internal_error()
            case _:
                return None

    async def _serve_request(
        self, asked: ServiceRequest, fault: Fault | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        admitted = self._admission.admit(asked, self._clock.monotonic())
        if not isinstance(admitted, Admitted):
            for table in asked.tables:
                self.recording.throttled[asked.region, table] += 1
            return admitted
        if fault == "unprocessed":
            self._leave_out(admitted)
        if asked.direction is not None:
            admitted.body["ReturnConsumedCapacity"] = "INDEXES"
        status, reply = await self._forward(asked, admitted.body, headers)
        if asked.direction is not None:
            self._admission.settle(asked, admitted, status, reply)
            if asked.body.get("ReturnConsumedCapacity", "NONE") == "NONE":
                reply.pop("ConsumedCapacity", None)
        if asked.operation == "DescribeTable" and status == 200:
            self._describe(asked, reply)
        for named, entries in admitted.unprocessed.items():
            left = reply.setdefault("UnprocessedItems", {})
            left.setdefault(named, []).extend(entries)
        return status, json.dumps(reply).encode()

    def _leave_out(self, admitted: Admitted) -> None:
        """Moves a random part of a batch, never all of it, to the unprocessed."""
        for named, entries in admitted.body["RequestItems"].items():
            count = self._dice.rng.randrange(len(entries))
            left = self._dice.rng.sample(range(len(entries)), count)
            if left:
                dropped = [entries[place] for place in left]
                admitted.unprocessed.setdefault(named, []).extend(dropped)
                admitted.body["RequestItems"] = admitted.body["RequestItems"] | {
                    named: [e for place, e in enumerate(entries) if place not in left]
                }

    def _describe(self, asked: ServiceRequest, reply: dict[str, Any]) -> None:
        """Makes DescribeTable say what the table was limited to."""
        key = asked.region, asked.tables[0]
        self._admission.learn_keys(key, reply)
        capacity = self._admission.capacity(key)
        if capacity is None:
            return
        table = reply["Table"]
        throughput = _throughput(capacity.read_units, capacity.write_units)
        if capacity.on_demand:
            table["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
            table["OnDemandThroughput"] = {
                "MaxReadRequestUnits": int(capacity.read_units),
                "MaxWriteRequestUnits": int(capacity.write_units),
            }
            for index in table.get("GlobalSecondaryIndexes", []):
                if units := capacity.index_units.get(index["IndexName"]):
                    index["OnDemandThroughput"] = {
                        "MaxReadRequestUnits": int(units[0]),
                        "MaxWriteRequestUnits": int(units[1]),
                    }
            return
        table.pop("BillingModeSummary", None)
        table["ProvisionedThroughput"] = throughput
        for index in table.get("GlobalSecondaryIndexes", []):
            if units := capacity.index_units.get(index["IndexName"]):
                index["ProvisionedThroughput"] = _throughput(*units)

    async def _forward(
        self, asked: ServiceRequest, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        sent = {
            "Authorization": headers.get("Authorization", _UNSIGNED),
            "X-Amz-Date": headers.get("X-Amz-Date", "20261124T000000Z"),
            "X-Amz-Target": headers.get(
                "X-Amz-Target", f"DynamoDB_20120810.{asked.operation}"
            ),
            "Content-Type": _JSON,
        }
        url = self._endpoints[asked.region]
        data = json.dumps(body).encode()
        async with self._session.post(url, data=data, headers=sent) as response:
            return response.status, json.loads(await response.read() or b"{}")

    async def _reply(
        self, request: web.Request, status: int, body: bytes, fault: Fault | None
    ) -> web.StreamResponse:
        headers = {"x-amz-crc32": checksum(body), "Content-Type": _JSON}
        match fault:
            case "internal_errors":
                return _error(*replies.internal_error())
            case "resets_after":
                return _reset(request)
            case "stalled":
                await asyncio.sleep(self._dice.faults.stall_seconds)
            case "corrupted":
                place = self._dice.rng.randrange(len(body))
                body = body[:place] + bytes([body[place] ^ 0x01]) + body[place + 1 :]
            case "truncated":
                return await _send_half(request, status, headers, body)
            case _:
                pass
        return web.Response(status=status, body=body, headers=headers)


_UNSIGNED = (
    "AWS4-HMAC-SHA256 Credential=proxy/20261124/region/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


def _throughput(read_units: float, write_units: float) -> dict[str, int]:
    return {
        "ReadCapacityUnits": int(read_units),
        "WriteCapacityUnits": int(write_units),
    }


def _error(status: int, body: bytes) -> web.Response:
    headers = {"x-amz-crc32": checksum(body), "Content-Type": _JSON}
    return web.Response(status=status, body=body, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """Closes the connection with nothing said."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # reaches nobody


async def _send_half(
    request: web.Request, status: int, headers: Mapping[str, str], body: bytes
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
