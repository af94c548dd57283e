"""What EMR's releases bring, as far as a job of ours depends on it."""

import re

from transforms.dynamodb.errors import UserError

__all__ = ["check_eks_release", "check_release"]

# https://docs.aws.amazon.com/emr/latest/ReleaseGuide/Flink-release-history.html
# A job for Flink runs on the minor version that it was built for. Python 3.11, on
# which our environment is made, is there from 7.1; Spark is 3.5 in all of 7.x.
_FLINK_OF_MINOR = {
    **dict.fromkeys((4, 5), "1.19"),
    **dict.fromkeys(range(6, 14), "1.20"),
}
_FIRST_MINOR = 1
_RELEASE = re.compile(r"emr-(\d+)\.(\d+)\.(\d+)")
_EKS_RELEASE = re.compile(r"(emr-\d+\.\d+\.\d+)-(?:latest|\d{8})")


def check_release(release: str, engine: str) -> str | None:
    """Checks that a release has what a job needs; returns its minor version of Flink.

    Args:
        release: the label, such as ``emr-7.8.0``.
        engine: ``flink`` or ``spark``.

    Returns:
        As in ``"1.20"``; None for Spark.

    Raises:
        UserError: it is no label, or of a release that lacks something.
    """
    found = _RELEASE.fullmatch(release)
    if not found:
        raise UserError(
            f"--release {release}: that is no release label; give one as emr-7.8.0"
        )
    major, minor = int(found[1]), int(found[2])
    if (major, minor) < (7, _FIRST_MINOR):
        raise UserError(
            f"--release {release} has no Python 3.11; use emr-7.{_FIRST_MINOR}.0 or "
            "later"
        )
    if engine == "spark":
        if major > 7:  # noqa: PLR2004 - the last major release that we know
            raise UserError(
                f"--release {release}: jobs are built for Spark 3.5, which 7.x has"
            )
        return None
    version = _FLINK_OF_MINOR.get(minor) if major == 7 else None  # noqa: PLR2004
    if version is None:
        first, last = min(_FLINK_OF_MINOR), max(_FLINK_OF_MINOR)
        raise UserError(
            f"--release {release}: its Flink is none that jobs are built for (1.19, "
            f"1.20); use emr-7.{first}.0 to emr-7.{last}.0"
        )
    return version


def check_eks_release(release: str) -> None:
    """Checks the label of a release of EMR on EKS.

    Raises:
        UserError: as `check_release`, for labels such as ``emr-7.8.0-latest``.
    """
    found = _EKS_RELEASE.fullmatch(release)
    if not found:
        raise UserError(
            f"--release {release}: that is no release label of EMR on EKS; give one as "
            "emr-7.8.0-latest"
        )
    check_release(found[1], "spark")
