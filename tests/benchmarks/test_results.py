"""What the bench writes is what programs read."""

import json
import sys
from dataclasses import replace

import pytest

from benchmarks.contenders import CONTENDERS
from benchmarks.measure import ContenderFailedError, environment, run
from benchmarks.results import Row, merge, read_rows, save
from benchmarks.scale import START, ScaleRow, fit
from benchmarks.works import WORKS

ROW = Row("scan", "small", "ours-direct", "http", 0.3, 4.0, 220.0, 50.0)


def test_rows_have_the_names_that_programs_read_and_come_back_equal(tmp_path):
    path = tmp_path / "bench.json"
    save(path, [ROW], {"date": "today"})
    [written] = json.loads(path.read_text())
    assert {
        *("work", "items", "contender", "cpu_us_per_item", "wall_s", "rss_mb"),
        "ratio_to_boto3_threads",
    } <= written.keys()
    assert read_rows(path) == [ROW]


def test_a_part_of_the_bench_replaces_its_rows_and_keeps_the_others():
    other = replace(ROW, contender="boto3-threads", ratio_to_boto3_threads=1.0)
    secure = replace(ROW, scheme="https")
    better = replace(ROW, cpu_us_per_item=0.2)
    assert merge([secure, ROW, other], [better]) == [better, other, secure]


@pytest.mark.parametrize(("per_item", "per_request"), [(2.0, 50.0), (3.5, 0.0)])
def test_the_fit_finds_what_items_and_requests_cost(per_item, per_request):
    rows = [
        ScaleRow(
            work="copy-1-1",
            items="small",
            contender="ours-direct",
            cpu_us_per_item=0.0,
            wall_s=0.0,
            rss_mb=0.0,
            ratio_to_boto3_threads=None,
            item_count=items,
            segments=None,
            requests=requests,
            cpu_s=(per_item * (items - START) + per_request * requests) / 1e6,
        )
        for items, requests in [(10**5, 21), (10**7, 2_004), (10**7, 100_000)]
    ]
    assert fit(rows) == pytest.approx((per_item, per_request))


def test_every_work_has_the_reference_and_ours_for_each_kind_of_item():
    for name in ("boto3-threads", "ours-direct"):
        for work in WORKS:
            for kind in ("small", "big", "mixed"):
                assert CONTENDERS[name].does(work, kind)


def test_a_run_that_takes_too_long_is_killed_and_told():
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ContenderFailedError, match="killed after"):
        run(command, environment(), max_seconds=0.2)


def test_what_takes_long_to_start_does_few_works_outside_the_first_table():
    slow = CONTENDERS["emr-spark-hot"]
    assert all(slow.does(work, "small") for work in WORKS)
    assert [work for work in WORKS if slow.does(work, "big")] == ["scan", "copy-1-1"]
    assert not slow.does("copy-filter", "small", "https")
