"""Secrets by reference: what travels and is written down says where, never what.

=========================  =========================================================
reference                  where the secret is
=========================  =========================================================
``env:NAME``               an environment variable of each worker
``file:/path``             a file that each worker can read; a line end is left out
``ssm:NAME``               a parameter of AWS Systems Manager, decrypted
``secretsmanager:NAME``    a secret of AWS Secrets Manager, by name or ARN
=========================  =========================================================
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import botocore.exceptions

from transforms.dynamodb.errors import UserError

__all__ = ["check_reference", "read_secret"]


def check_reference(reference: str) -> None:
    """Refuses what is no reference, without looking the secret up.

    Raises:
        UserError: says how to write one; never repeats what may be the secret itself.
    """
    kind, colon, name = reference.partition(":")
    if kind not in _READERS or not colon or not name:
        kinds = ", ".join(f"{kind}:…" for kind in _READERS)
        raise UserError(f"a secret is given by where it is: one of {kinds}")


def read_secret(reference: str, region: str) -> bytes:
    """Looks the secret up.

    Args:
        reference: as in the table above.
        region: of the parameter or secret, where its name does not say.

    Raises:
        UserError: it is not there, empty, or not to be read by us.
    """
    check_reference(reference)
    kind, _, name = reference.partition(":")
    try:
        secret = _READERS[kind](name, region)
    except (
        OSError,
        KeyError,
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
    ) as error:
        raise UserError(
            f"the secret {reference} cannot be read ({type(error).__name__}); "
            "check that it is there, and that the workers may read it"
        ) from error
    if not secret:
        raise UserError(f"the secret {reference} is empty; put a key there")
    return secret


def _from_environment(name: str, _region: str) -> bytes:
    return os.environ[name].encode()


def _from_file(path: str, _region: str) -> bytes:
    return Path(path).read_bytes().rstrip(b"\r\n")


def _from_parameter(name: str, region: str) -> bytes:
    client = boto3.client("ssm", region_name=region)
    found = client.get_parameter(Name=name, WithDecryption=True)
    return str(found["Parameter"]["Value"]).encode()


def _from_secret(name: str, region: str) -> bytes:
    client = boto3.client("secretsmanager", region_name=region)
    found = client.get_secret_value(SecretId=name)
    binary: bytes | None = found.get("SecretBinary")
    return binary if binary is not None else str(found["SecretString"]).encode()


_READERS: Mapping[str, Callable[[str, str], bytes]] = {
    "env": _from_environment,
    "file": _from_file,
    "ssm": _from_parameter,
    "secretsmanager": _from_secret,
}
