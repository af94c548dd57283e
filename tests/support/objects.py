"""Object stores for tests: moto's, beside its tables, and what is in both."""

import uuid
from typing import Any

import boto3

from pipelines.demo.engines import Engine

REGION = "eu-west-1"


def object_store(engine: Engine) -> Any:
    """A plain boto3 client of the S3 that moto serves on the same port."""
    return boto3.session.Session().client(
        "s3",
        region_name=REGION,
        endpoint_url=engine.endpoint_url(REGION),
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def make_bucket(engine: Engine) -> str:
    """Creates a bucket and returns its name."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    object_store(engine).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


def s3_words(engine: Engine) -> list[str]:
    """Beam's flags for that store, with the dashes before them."""
    endpoint = engine.endpoint_url(REGION)
    return ["--", f"--s3_endpoint_url={endpoint}", f"--s3_region_name={REGION}"]


def all_items(
    engine: Engine, region: str, name: str, key: str = "id"
) -> dict[str, dict[str, Any]]:
    """Every item of a table whose key is a string, by it."""
    pages = engine.dynamodb(region).get_paginator("scan").paginate(TableName=name)
    return {item[key]["S"]: item for page in pages for item in page["Items"]}
