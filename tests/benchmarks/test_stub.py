"""Our copy against the stub's rules: signatures, 25 items, no key twice in a batch."""

import json

import pytest

from benchmarks.contenders import CONTENDERS, Task
from benchmarks.measure import environment, run
from benchmarks.stub_server import StubServer

pytestmark = pytest.mark.go


@pytest.mark.parametrize("contender", ["ours-direct", "boto3-threads"])
def test_every_request_of_a_copy_is_signed_and_within_the_limits(contender):
    items = 12_000
    with StubServer(check=True) as stub:
        command = CONTENDERS[contender].command(Task("copy-1-2", stub.endpoint, items))
        run(command, environment())
        stats = stub.stats()
    assert stats["Refused"] == 0
    assert stats["ItemsScanned"] == items
    assert stats["ItemsWritten"] == 2 * items


def test_a_report_tells_the_seconds_of_the_run_itself(tmp_path):
    report = tmp_path / "report.json"
    with StubServer() as stub:
        task = Task("scan", stub.endpoint, 5_000)
        command = [*CONTENDERS["ours-direct"].command(task), "--report", str(report)]
        cost = run(command, environment())
    told = json.loads(report.read_text())
    assert 0 < told["cpu_s"] < cost.cpu_seconds
