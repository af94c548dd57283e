"""``template launch … --on``: where a launch goes on EMR, and what is printed of it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.command_line import read_options
from pipelines.emr.artefacts import (
    LaunchedJob,
    eks_manifest,
    step_text,
)
from pipelines.emr.placement import Placement
from pipelines.options import CopyOptions
from pipelines.target_options import TargetOptions
from pipelines.template import Template
from pipelines.template_jars import jar_words
from transforms.dynamodb.errors import UserError

__all__ = ["artefact", "checked_job", "eks_words", "launches_on_emr"]


def launches_on_emr(words: Sequence[str]) -> bool:
    """Returns whether a launch names a place."""
    ours = words[: words.index("--")] if "--" in words else words
    return any(word.partition("=")[0] == "--on" for word in ours)


def checked_job(
    place: Placement,
    path: Path,
    template: Template,
    given: Mapping[str, str],
    words: Sequence[str],
) -> LaunchedJob:
    """Reads the whole command as the cluster will, so that mistakes are told here.

    Args:
        place: where it goes.
        path: of the jar, or of the template.
        template: that of the jar, too.
        given: parameters by name.
        words: what follows, without the parameters and the place.

    Raises:
        UserError: a word, or a parameter, is wrong.
    """
    if place.on == "emr-on-eks" and path.suffix != ".jar":
        raise UserError(
            f"{path}: EMR on EKS has no node that could build it; build it first: "
            "template build --runner-profile emr-spark --output copy.jar"
        )
    if template.pipeline != "copy":
        raise UserError(
            f"{template.path}: a {template.pipeline} cannot be built, and EMR launches "
            "what is built; run it on one machine"
        )
    ours = list(words[: words.index("--")] if "--" in words else words)
    with tempfile.TemporaryDirectory(prefix="beam-dynamodb-") as folder:
        file = Path(folder, "job.yaml")
        file.write_text(template.render(given), encoding="utf-8")
        said = ["--job", str(file), *ours]
        options, _ = read_options(said, CopyOptions, TargetOptions)
    if not (options.ledger or "").startswith("dynamodb:"):
        raise UserError(
            "--ledger is missing: the nodes of a cluster meet in a table; give "
            "--ledger dynamodb:REGION/TABLE"
        )
    if "://" not in (options.run_dir or ""):
        raise UserError(
            "--run-dir is missing: rejected items are kept where all nodes reach; give "
            "--run-dir s3://BUCKET/PREFIX"
        )
    if options.workers is None:
        raise UserError("--workers is missing: say how many Python processes")
    return LaunchedJob(
        path=path,
        params=dict(given),
        words=tuple(ours),
        submit_words=tuple(words[len(ours) + 1 :]),
        workers=options.workers,
    )


def artefact(place: Placement, job: LaunchedJob) -> str:
    """Returns what to print: always the same bytes for the same launch.

    Raises:
        UserError: it is longer than EMR allows, or would hold credentials.
    """
    return step_text(place, job) if place.on == "emr" else eks_manifest(place, job)


def eks_words(place: Placement, job: LaunchedJob) -> list[str]:
    """Returns the words for Beam that make a command run a built job on EKS.

    Raises:
        UserError: the manifest would hold credentials.
    """
    region = [f"--eks_region={place.region}"] if place.region else []
    manifest = f"--eks_manifest={eks_manifest(place, job)}"
    return [*jar_words(job.path, ()), manifest, *region]
