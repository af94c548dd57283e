"""Moments as the manifests of backups spell them."""

from datetime import datetime, timezone

__all__ = ["iso_utc"]


def iso_utc(wall_seconds: float) -> str:
    """Returns a moment in ISO 8601, in UTC, to the millisecond.

    >>> iso_utc(1795493700.25)
    '2026-11-24T04:15:00.250Z'
    """
    moment = datetime.fromtimestamp(wall_seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
