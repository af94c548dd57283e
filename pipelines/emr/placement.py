"""Where a launch goes on EMR, in the words of the command line, checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, cast

from pipelines.emr.releases import check_eks_release, check_release
from pipelines.flags import did_you_mean
from transforms.dynamodb.errors import UserError

__all__ = ["Placement", "read_placement"]

On = Literal["emr", "emr-on-eks"]
Engine = Literal["flink", "spark"]
Shown = Literal["step", "bootstrap"]

# API_StartJobRun and API_Cluster: the forms of their ids.
_CLUSTER = {"emr": r"j-[A-Z0-9]+", "emr-on-eks": r"[0-9a-z]{1,64}"}
_EXAMPLES = {"emr": "j-1K48N7QDWGAPL", "emr-on-eks": "123456abcdef"}
_CODE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s]*)?")
_ROLE = re.compile(r"arn:aws[a-zA-Z0-9-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_SWITCHES = ("submit",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a launch goes.

    Attributes:
        on: ``emr`` (a cluster on EC2) or ``emr-on-eks``.
        release: EMR's release label.
        code: where on S3 the code is, and the job goes, without a slash at its end.
        engine: ``flink`` or ``spark``.
        flink_version: the minor version that the release has; None for Spark.
        cluster: the cluster's, or the virtual cluster's, id; None only if nothing is
            submitted.
        region: of the cluster; None for that of the environment.
        submit: whether to submit, instead of printing.
        show: what to print: the step, or the bootstrap action's script.
        role: EKS: the job's execution role.
        image: EKS: the image with our environment.
    """

    on: On
    release: str
    code: str
    engine: Engine
    flink_version: str | None
    cluster: str | None = None
    region: str | None = None
    submit: bool = False
    show: Shown = "step"
    role: str | None = None
    image: str | None = None


_WORDS = tuple(
    f"--{one.name}" for one in fields(Placement) if one.name != "flink_version"
)


def read_placement(
    words: Sequence[str], built_for: str | None
) -> tuple[Placement, list[str]]:
    """Takes a placement out of a command line.

    Args:
        words: what follows the template, without its parameters.
        built_for: the engine that a jar was built for; None for a template.

    Returns:
        The placement, and the words that are not of it, in order.

    Raises:
        UserError: a word is missing, twice there, or wrong.
    """
    said, left = _split(words)
    on = said.get("on", "")
    if on not in _CLUSTER:
        raise UserError(
            f"--on {on}: there are emr and emr-on-eks{did_you_mean(on, _CLUSTER)}. "
            "Managed Service for Apache Flink runs no Python workers of Beam's; see "
            "docs/emr.md"
        )
    engine = _engine(on, said.get("engine"), built_for)
    show = said.get("show", "step")
    if show not in ("step", "bootstrap"):
        raise UserError(f"--show {show}: there are step and bootstrap")
    release = _required(said, "release", "the release label, as emr-7.8.0")
    flink_version = None
    if on == "emr":
        flink_version = check_release(release, engine)
    else:
        check_eks_release(release)
    placement = Placement(
        on=cast("On", on),
        release=release,
        code=_code(said),
        engine=engine,
        flink_version=flink_version,
        cluster=_cluster(on, said),
        region=_matching(said, "region", _REGION, "eu-west-1"),
        submit="submit" in said,
        show=cast("Shown", show),
        role=_matching(said, "role", _ROLE, "arn:aws:iam::ACCOUNT:role/NAME"),
        image=said.get("image"),
    )
    if on == "emr-on-eks":
        _required(said, "cluster", "the virtual cluster's id")
        _required(said, "role", "the job's execution role")
        _required(said, "image", "the image that deploy/emr-on-eks/Dockerfile makes")
    return placement, left


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    said: dict[str, str] = {}
    left: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return said, [*left, word, *waiting]
        option, equals, value = word.partition("=")
        if option not in _WORDS:
            left.append(word)
            continue
        name = option.removeprefix("--")
        if name in said:
            raise UserError(f"{option} is said twice; keep one")
        if name in _SWITCHES:
            value = "yes"
        elif not equals:
            value = waiting.pop(0) if waiting else ""
        if not value or value.startswith("--"):
            raise UserError(f"{option} has no value; say {option} VALUE")
        said[name] = value
    return said, left


def _engine(on: str, said: str | None, built_for: str | None) -> Engine:
    if said and built_for and said != built_for:
        raise UserError(f"--engine {said}: the jar was built for {built_for}")
    engine = built_for or said
    if engine is None:
        raise UserError("--engine is missing: say flink or spark")
    if engine not in ("flink", "spark"):
        raise UserError(f"--engine {engine}: there are flink and spark")
    if on == "emr-on-eks" and engine != "spark":
        raise UserError(
            "EMR on EKS takes job runs of Spark alone (Flink has an operator of its "
            "own there); build the job with --runner-profile emr-spark"
        )
    return cast("Engine", engine)


def _required(said: dict[str, str], name: str, what: str) -> str:
    if name not in said:
        raise UserError(f"--{name} is missing: {what}")
    return said[name]


def _code(said: dict[str, str]) -> str:
    code = _required(said, "code", "where on S3 the code is, as s3://ours/code")
    if not _CODE.fullmatch(code):
        raise UserError(f"--code {code}: that is no place on S3; as s3://ours/code")
    return code.rstrip("/")


def _cluster(on: str, said: dict[str, str]) -> str | None:
    if "submit" in said:
        _required(said, "cluster", f"its id, as {_EXAMPLES[on]}")
    return _matching(said, "cluster", re.compile(_CLUSTER[on]), _EXAMPLES[on])


def _matching(
    said: dict[str, str], name: str, form: re.Pattern[str], example: str
) -> str | None:
    value = said.get(name)
    if value is not None and not form.fullmatch(value):
        raise UserError(f"--{name} {value}: that is not of the form {example}")
    return value
