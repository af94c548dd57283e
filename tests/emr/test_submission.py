"""Launches on EMR, submitted to moto."""

import json
from typing import Any

import pytest

from pipelines.commands import run
from tests.support.emr import (
    CODE,
    COPY,
    PARAMS,
    PLACE,
    REGION,
    TEMPLATE,
    launched,
    refused,
)
from tests.support.objects import make_bucket, object_store


def make_cluster(aws: Any, code: str, **other: Any) -> str:
    fields: dict[str, Any] = {
        "ReleaseLabel": "emr-7.8.0",
        "Applications": [{"Name": "Flink"}],
        "BootstrapActions": [
            {"Name": "ours", "ScriptBootstrapAction": {"Path": f"{code}/bootstrap.sh"}}
        ],
    }
    made: str = aws("emr").run_job_flow(
        Name="ours",
        Instances={
            "MasterInstanceType": "m5.xlarge",
            "InstanceCount": 1,
            "KeepJobFlowAliveWhenNoSteps": True,
        },
        JobFlowRole="EMR_EC2_DefaultRole",
        ServiceRole="EMR_DefaultRole",
        **fields | other,
    )["JobFlowId"]
    return made


@pytest.mark.emulator
class TestSubmission:
    @pytest.fixture
    def words(self, aws, moto, template):
        self.code = f"s3://{make_bucket(moto)}/code"
        words = [self.code if word == CODE else word for word in PLACE]
        return [template, *words, *PARAMS, *COPY, "--submit", "--cluster"]

    def test_a_step_is_added_as_it_is_printed_and_its_job_is_on_s3(
        self, aws, moto, words, capsys
    ):
        cluster = make_cluster(aws, self.code)
        assert "step s-" in launched(capsys, *words, cluster)
        printed = launched(
            capsys, *[word for word in words if word != "--submit"], cluster
        )
        (made,) = json.loads(printed)
        (added,) = aws("emr").list_steps(ClusterId=cluster)["Steps"]
        assert added["Config"]["Args"] == made["Args"]
        assert added["Config"]["Jar"] == made["Jar"]
        (address,) = [word for word in made["Args"] if "/jobs/" in word]
        bucket, _, key = address.removeprefix("s3://").partition("/")
        stored = object_store(moto).get_object(Bucket=bucket, Key=key)["Body"].read()
        assert stored.decode() == TEMPLATE

    def test_an_unknown_cluster_is_named(self, words, capsys):
        assert "cluster j-NONE: " in refused(capsys, *words, "j-NONE")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"ReleaseLabel": "emr-7.5.0"}, "is of release emr-7.5.0, not emr-7.8.0"),
            ({"Applications": [{"Name": "Spark"}]}, "has no Flink"),
            ({"BootstrapActions": []}, "was made without the bootstrap action"),
        ],
    )
    def test_a_cluster_that_cannot_run_the_step_is_refused(
        self, aws, words, capsys, fields, message
    ):
        cluster = make_cluster(aws, self.code, **fields)
        assert message in refused(capsys, *words, cluster)
        assert not aws("emr").list_steps(ClusterId=cluster)["Steps"]

    def test_a_cluster_that_has_ended_takes_no_step(self, aws, words, capsys):
        cluster = make_cluster(aws, self.code)
        aws("emr").terminate_job_flows(JobFlowIds=[cluster])
        assert "takes no steps" in refused(capsys, *words, cluster)

    def test_a_bucket_that_is_not_there_is_named(self, aws, words, capsys):
        code = "s3://there-is-none/code"
        cluster = make_cluster(aws, code)
        words = [code if word == self.code else word for word in words]
        assert run(["template", "launch", *words, cluster]) in (2, 3)
        assert "there-is-none" in capsys.readouterr().err

    def test_no_region_is_bad_input(self, words, capsys):
        words = [word for word in words if word not in ("--region", REGION)]
        assert "say --region" in refused(capsys, *words, "j-NONE")
