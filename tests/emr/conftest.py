"""A template of a copy, in a directory of its own; AWS, as moto has it."""

from pathlib import Path

import boto3
import pytest

from tests.support.emr import REGION, TEMPLATE


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ours.yaml"
    path.write_text(TEMPLATE)
    return str(path)


@pytest.fixture
def aws(moto, monkeypatch, engine_credentials):
    """Boto3 clients of moto, which our own find by the environment."""
    url = moto.endpoint_url(REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    session = boto3.session.Session(region_name=REGION)
    return lambda service: session.client(service, endpoint_url=url)
