"""A digest of a table by boto3, hashlib and Decimal: nothing of ours is in it.

Segments of the scan are digested in processes of their own, since a million items take
boto3 minutes.
"""

import hashlib
import json
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import boto3

from pipelines.demo.engines import Engine

__all__ = ["independent_digest"]

_PROCESSES = 2
Item = dict[str, Any]


def independent_digest(
    engine: Engine, region: str, name: str, *, segments: int = 1
) -> tuple[int, str]:
    """Number of items, and the sum of each one's SHA-256 modulo 2^256.

    Args:
        engine, region, name: which table.
        segments: into how many the scan is cut; one is read in this process.
    """
    words = [
        (engine.endpoint_url(region), region, name, segment, segments)
        for segment in range(segments)
    ]
    if segments == 1:
        parts = [_digest_segment(*words[0])]
    else:
        with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
            running = [pool.submit(_digest_segment, *each) for each in words]
            parts = [each.result() for each in running]
    count = sum(items for items, _ in parts)
    return count, f"{sum(total for _, total in parts) % 2**256:064x}"


def _digest_segment(
    url: str, region: str, name: str, segment: int, segments: int
) -> tuple[int, int]:
    client = boto3.session.Session().client(
        "dynamodb",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    pages = client.get_paginator("scan").paginate(
        TableName=name, Segment=segment, TotalSegments=segments
    )
    count, total = 0, 0
    for page in pages:
        for item in page["Items"]:
            text = json.dumps({"M": _plain(item)}, sort_keys=True)
            total += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
            count += 1
    return count, total


def _plain(item: Item) -> Item:
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: Item) -> Any:
    ((tag, content),) = value.items()
    if tag == "M":
        content = _plain(content)
    elif tag == "L":
        content = [_plain_value(each) for each in content]
    elif tag == "N":
        content = _plain_number(content)
    elif tag == "B":
        content = b64encode(content).decode()
    elif tag == "BS":
        content = sorted(b64encode(each).decode() for each in content)
    elif tag == "NS":
        content = sorted(map(_plain_number, content))
    elif tag == "SS":
        content = sorted(content)
    return {tag: content}


def _plain_number(text: str) -> str:
    sign, digits, exponent = Decimal(text).as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    assert isinstance(exponent, int)
    return f"{sign}|{kept.lstrip('0')}|{exponent + len(digits) - len(kept)}"
