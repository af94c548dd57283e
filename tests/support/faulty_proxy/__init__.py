"""A proxy before an engine that holds it to the service's limits, and fails on demand.

    client -> FaultyProxy -> engine (dynoxide: its ConsumedCapacity is true)
                 |
                 |- wire.py       which region, operation and tables a request is about
                 |- faults.py     seeded: throttles, 5xx, resets, damage, stalls
                 |- buckets.py    capacity: a bucket a table, an index, a partition
                 |- admission.py  what the buckets let through, and what was charged
                 |- replies.py    the service's own words
                 `- recording.py  units and requests by time

    with FaultyProxy({"eu-west-1": engine.endpoint_url("eu-west-1")}) as proxy:
        proxy.limit("eu-west-1", "birds", Capacity(read_units=50, write_units=50))
        proxy.faults = Faults(seed=7, resets_after=0.1)
        table = TableRef("birds", "eu-west-1", endpoint_url=proxy.url)
        …
        assert proxy.recording.units("eu-west-1", "birds", "write") …

Where a table has no limit, only the faults apply. Not shipped.
"""

from tests.support.faulty_proxy.buckets import Capacity
from tests.support.faulty_proxy.faults import Faults
from tests.support.faulty_proxy.proxy import FaultyProxy
from tests.support.faulty_proxy.recording import Recording

__all__ = ["Capacity", "Faults", "FaultyProxy", "Recording"]
