"""Runner profiles: small files of Beam flags, named by ``--runner-profile``.

A profile is a text file ``NAME.flags``: one flag a line, ``#`` before a remark.
``{worker_command}`` stands for the worker program beside the Python that launches. What
is said after ``--`` comes last, and so wins.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.flags import did_you_mean
from transforms.dynamodb.errors import UserError

__all__ = ["PROFILES_VARIABLE", "profile_names", "read_profile", "with_local_parts"]

PROFILES_VARIABLE = "BEAM_DYNAMODB_PROFILES"
"""Names a directory of the user's own profiles; they go before ours."""

_SHIPPED = Path(__file__).parent / "profiles"
_SUFFIX = ".flags"
_WORKER_COMMAND = "beam-dynamodb-worker"

# What a runner needs on this machine: its flag, where a variable may name it, and its
# place among what deploy/job-servers/build and .ci/run leave in the cache.
_LOCAL_PARTS = {
    "flinkrunner": (
        "--flink_job_server_jar",
        "BEAM_DYNAMODB_FLINK_JOB_SERVER_JAR",
        "job-servers/beam-flink-job-server.jar",
    ),
    "sparkrunner": (
        "--spark_job_server_jar",
        "BEAM_DYNAMODB_SPARK_JOB_SERVER_JAR",
        "job-servers/beam-spark-job-server.jar",
    ),
    "prismrunner": ("--prism_location", "BEAM_DYNAMODB_PRISM", "bin/prism"),
}

# The Flink that the job server of deploy/job-servers is for; see its pom.xml.
_BUILT_FOR_FLINK = "1.19"


def profile_names() -> list[str]:
    """Returns the names that ``--runner-profile`` takes here, ours first."""
    found = [
        path.stem
        for directory in (_SHIPPED, *_own_directory())
        for path in sorted(directory.glob(f"*{_SUFFIX}"))
    ]
    return list(dict.fromkeys(found))


def read_profile(name: str) -> list[str]:
    """Returns the flags of a profile.

    Args:
        name: of a shipped profile, of one in the directory that
            ``BEAM_DYNAMODB_PROFILES`` names, or the path of a file.

    Raises:
        UserError: there is no such profile, or a line of it is no flag.
    """
    path = _find(name)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--runner-profile: cannot read {path} ({error}); it is a text file of "
            "one flag a line"
        ) from error
    flags = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not text.startswith("--"):
            raise UserError(
                f"{path}:{number}: {text!r} is no flag; write one a line, as "
                "--runner=FlinkRunner"
            )
        flags.append(text.replace("{worker_command}", str(worker_command())))
    return flags


def worker_command() -> Path:
    """Returns the worker program of this Python, whether it is there or not."""
    return Path(sys.executable).with_name(_WORKER_COMMAND)


def with_local_parts(words: Sequence[str]) -> list[str]:
    """Adds the jar or program that the named runner needs, if it lies on this machine.

    Where nothing is found Beam downloads its own; where one is named it is kept.
    """
    runner = _last_value(words, "--runner").lower()
    flag, variable, place = _LOCAL_PARTS.get(runner, ("", "", ""))
    if not flag or _last_value(words, flag) or _last_value(words, "--job_endpoint"):
        return list(words)
    flink = _last_value(words, "--flink_version")
    if runner == "flinkrunner" and flink not in ("", _BUILT_FOR_FLINK):
        place = ""  # what lies in the cache is for another
    part = os.environ.get(variable) or (
        place and (_cached(place) or shutil.which(Path(place).name))
    )
    return [*words, f"{flag}={part}"] if part else list(words)


def _last_value(words: Sequence[str], flag: str) -> str:
    value = ""
    for place, word in enumerate(words):
        if word == flag and place + 1 < len(words):
            value = words[place + 1]
        elif word.startswith(f"{flag}="):
            value = word.partition("=")[2]
    return value


def _cached(place: str) -> str | None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "beam-dynamodb" / place
    return str(path) if path.is_file() else None


def _own_directory() -> list[Path]:
    directory = os.environ.get(PROFILES_VARIABLE)
    return [Path(directory)] if directory else []


def _find(name: str) -> Path:
    if os.sep in name or name.endswith(_SUFFIX):
        return Path(name)
    for directory in (*_own_directory(), _SHIPPED):
        path = directory / f"{name}{_SUFFIX}"
        if path.is_file():
            return path
    names = profile_names()
    raise UserError(
        f"--runner-profile {name}: no such profile{did_you_mean(name, names)}; there "
        f"are {', '.join(names)}, those in the directory that {PROFILES_VARIABLE} "
        f"names, and any file, as ./mine{_SUFFIX}"
    )
