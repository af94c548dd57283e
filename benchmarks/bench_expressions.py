"""What a condition costs per item: nanoseconds of CPU, the least of many rounds.

    python -m benchmarks.bench_expressions

The item has about 200 B in four strings. The least of the rounds
is what the code costs; the others hold what else the machine did.
"""

import time
from collections.abc import Callable

from transforms.dynamodb.expressions import parse_condition

ITEM = (
    b'{"uuid_hash":{"S":"0123456789abcdef0123456789abcdef"},'
    b'"day":{"S":"2013-06-01"},'
    b'"name":{"S":"' + b"n" * 40 + b'"},'
    b'"value":{"S":"' + b"v" * 60 + b'"}}'
)
SHAPES = {
    "one attribute": "day >= '2013-06-01'",
    "two attributes": "day >= '2013-06-01' AND name <> 'IAH'",
    "three attributes": "day BETWEEN '2013-06-01' AND '2013-06-30'"
    " AND begins_with(name, 'n') AND attribute_exists(value)",
}
ROUNDS = 40
ITEMS_A_ROUND = 2_000


def nanoseconds_per_item(matches: Callable[[bytes], bool]) -> float:
    """Runs the test over and over; the least CPU time of a round, for one item."""
    least = min(_round_nanoseconds(matches) for _ in range(ROUNDS))
    return least / ITEMS_A_ROUND


def _round_nanoseconds(matches: Callable[[bytes], bool]) -> int:
    start = time.process_time_ns()
    for _ in range(ITEMS_A_ROUND):
        matches(ITEM)
    return time.process_time_ns() - start


def main() -> None:
    print(f"an item of {len(ITEM)} B")
    for shape, text in SHAPES.items():
        spent = nanoseconds_per_item(parse_condition(text).compile())
        print(f"{shape:17} {spent:6.0f} ns   {text}")


if __name__ == "__main__":
    main()
