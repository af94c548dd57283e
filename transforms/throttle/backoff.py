"""How long to wait before the next try."""

import random
from collections.abc import Iterator

__all__ = ["full_jitter"]


def full_jitter(
    rng: random.Random, base_seconds: float = 0.05, cap_seconds: float = 5.0
) -> Iterator[float]:
    """Yields delays in seconds for ever: uniform in [0, ceiling].

    The ceiling is `base_seconds` at first, doubles with every try, and ends at
    `cap_seconds`. "Full jitter" spreads the retries of many workers over the
    whole interval, so that they do not come back all at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    Five seconds at most: of a table that refuses nine requests of ten, one of a
    thousand requests would meet 60 refusals in a row, and with delays of up to 20
    seconds (the SDKs' cap) those alone would use up a deadline of ten minutes.

    The caller counts the tries or the time; this never ends by itself.
    """
    ceiling = min(base_seconds, cap_seconds)
    while True:
        yield rng.uniform(0.0, ceiling)
        ceiling = min(cap_seconds, ceiling * 2)
