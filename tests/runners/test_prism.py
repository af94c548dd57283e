"""Prism asks a running scan to split, and all of it is read once all the same."""

import apache_beam as beam
import pytest

from pipelines.beam_flags import check_beam_flags
from pipelines.job_server import JOB_SERVER_LOG, running_job_server
from pipelines.runner_profiles import read_profile, with_local_parts
from tests.support.engines import make_table, unique_name
from transforms.dynamodb.tables import TableRef
from transforms.metrics import SCANNED, SEGMENTS_DONE, counters_of
from transforms.scan import ReadFromDynamoDB
from transforms.scan_restriction import ScanRestrictionTracker
from transforms.throttle.rate import Rate

pytestmark = [
    pytest.mark.prism,
    pytest.mark.emulator,
    pytest.mark.timeout(300),
    # Beam leaves the pipe of the program that it started open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

REGION = "eu-west-1"
ITEMS, SEGMENTS = 20, 64


@pytest.mark.usefixtures("engine_credentials")
def test_a_scan_that_prism_splits_reads_every_item_once(moto, tmp_path, monkeypatch):
    table = make_table(moto, REGION, unique_name(), "id")
    for number in range(ITEMS):
        item = {"id": {"S": f"item-{number}"}}
        moto.dynamodb(REGION).put_item(TableName=table, Item=item)
    given_away = []
    split = ScanRestrictionTracker.try_split

    def noted(tracker, fraction):
        parts = split(tracker, fraction)
        if parts is not None:
            given_away.append(parts[1].size)
        return parts

    # Prism's workers are threads of this process, so they see it.
    monkeypatch.setattr(ScanRestrictionTracker, "try_split", noted)
    words = with_local_parts(read_profile("prism"))
    pipeline = beam.Pipeline(options=check_beam_flags(words, frozenset()))
    _ = pipeline | ReadFromDynamoDB(
        TableRef(table, REGION, endpoint_url=moto.endpoint_url(REGION)),
        read=Rate.units(20),  # a page of moto's costs one
        segments=SEGMENTS,
        splits=1,
    )
    with running_job_server(pipeline.options, tmp_path / JOB_SERVER_LOG):
        result = pipeline.run()
        result.wait_until_finish()
        counters = counters_of(result)
    assert sum(given_away) > 0
    assert counters[SCANNED.name] == ITEMS
    assert counters[SEGMENTS_DONE.name] == SEGMENTS
