"""The run directory: what one run keeps on this machine."""

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from transforms.dynamodb.errors import UserError
from transforms.ledger.location import LEDGER_FILE_NAME

__all__ = ["RunDirectory", "make_run_id"]

_DEFAULT = Path(".beam-dynamodb", "runs")
_OWNER_ONLY = 0o700  # rejected items are a customer's data


def make_run_id(wall_seconds: float, rng: random.Random) -> str:
    """Returns a name that sorts by time and that two runs hardly share.

    >>> make_run_id(1795493700.0, random.Random(1))[:15]
    '20261124-041500'
    """
    moment = datetime.fromtimestamp(wall_seconds, tz=timezone.utc)
    return f"{moment:%Y%m%d-%H%M%S}-{rng.getrandbits(24):06x}"


def _check_file_system(place: str) -> None:
    try:
        FileSystems.get_filesystem(place)
    except ValueError as error:
        raise UserError(
            f"--run-dir: Beam has no file system for {place}; give s3://BUCKET/PREFIX, "
            "or a path"
        ) from error


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A directory that only its owner reads.

    Attributes:
        path: an absolute path, on this machine.
        shared: the place that workers of other machines write to as well, on a
            file system of Beam's such as ``s3://bucket/runs/7``.
    """

    path: Path
    shared: str | None = None

    @classmethod
    def at(cls, path: str) -> "RunDirectory":
        """The directory at a path, whether it is there or not."""
        return cls(Path(path).absolute())

    @classmethod
    def of_run(cls, run: str) -> "RunDirectory":
        """The directory of a run that was begun.

        Args:
            run: its path, or the run's name if it is in the usual place.

        Raises:
            UserError: there is none.
        """
        for path in (Path(run), _DEFAULT / run):
            if path.is_dir():
                return cls.at(str(path))
        raise UserError(
            f"there is no run {run!r}: it is neither a directory nor one of those in "
            f"{_DEFAULT}; name the run's directory"
        )

    @classmethod
    def create(cls, chosen: str | None, run_id: str) -> "RunDirectory":
        """Makes the directory that was chosen, or the usual one for this run.

        Raises:
            UserError: no file system is for it, it cannot be made, or it holds the
                ledger of an earlier run.
        """
        shared = chosen if chosen and "://" in chosen else None
        if shared is not None:
            _check_file_system(shared)
        local = str(_DEFAULT / run_id) if chosen is None or shared else chosen
        path = cls.at(local).path
        try:
            path.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--run-dir: cannot make {path}: {error.strerror}; name another"
            ) from error
        directory = cls(path, shared and shared.rstrip("/"))
        if directory.ledger.exists():
            raise UserError(
                f"--run-dir: {path} holds the ledger of an earlier run; name another, "
                "or leave it out"
            )
        return directory

    def below(self, name: str) -> "RunDirectory":
        """Makes a directory in this one, for a job that follows the run's first."""
        path = self.path / name
        path.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        return RunDirectory(path, self.shared and f"{self.shared}/{name}")

    @property
    def ledger(self) -> Path:
        """The run's own ledger, where ``--ledger`` names no other."""
        return self.path / LEDGER_FILE_NAME

    @property
    def spec(self) -> Path:
        """What the run's workers were told; names its ledger."""
        return self.path / "run.json"

    def read_spec(self) -> str:
        """Returns what the run's workers were told.

        Raises:
            UserError: the run did not keep it.
        """
        try:
            return self.spec.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{self.path} has no {self.spec.name} ({error.strerror}), so nothing "
                "can be done with that run; run its command again, which is safe"
            ) from error

    @property
    def kept(self) -> str:
        """Where the workers write: the shared place, or the directory itself."""
        return self.shared or str(self.path)

    @property
    def rejected(self) -> str:
        """Where rejected items are kept."""
        return f"{self.kept}/rejected"
