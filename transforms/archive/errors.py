"""What can be wrong with a backup, told apart by what its reader does about it.

UserError
├── UnreadableBackupError    no backup, or of a form that this version cannot read
└── DamagedBackupError       a file of it is missing, cut off or altered
JobStoppedError
└── FileSystemError          the file system does not let us, or not now
    └── StoreRefusalError        it does not, and trying again changes nothing
"""

from transforms.dynamodb.errors import JobStoppedError, UserError

__all__ = [
    "DamagedBackupError",
    "FileSystemError",
    "StoreRefusalError",
    "UnreadableBackupError",
]


class UnreadableBackupError(UserError):
    """There is no backup, it was never finished, or its format is not known here."""


class DamagedBackupError(UserError):
    """A file of a backup is not what its manifest says; the text names the file."""


class FileSystemError(JobStoppedError):
    """A file cannot be read or written; the text says why and what to do."""


class StoreRefusalError(FileSystemError):
    """No permission, no such bucket or file, another region: somebody must act."""
