"""The run spec: all that the workers are told, as one value of the run.

    options, RunContext --JSON--> --run_spec, a ValueProvider --> the worker's options

A pipeline's steps hold a `FromRunSpec` each, and ask for it in `DoFn.setup` or in the
restriction provider, never in `expand`. So one built pipeline serves many launches, and
a direct run takes the same way. The options travel in the words of a job file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.value_provider import StaticValueProvider, ValueProvider

from pipelines.flags import build, opener_of, said_form
from pipelines.versions import difference, versions_here
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.ledger.location import LedgerLocation
from transforms.run_context import RunContext

__all__ = [
    "RUN_SPEC_FORMAT",
    "FromRunSpec",
    "RunSpec",
    "RunSpecOptions",
    "options_from_said",
    "provide",
]

RUN_SPEC_FORMAT = 1
"""Raised when an older version could misread what is written."""

T = TypeVar("T")


class RunSpecOptions(PipelineOptions):
    """The option of Beam that carries the run spec to the workers."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_value_provider_argument(
            "--run_spec", type=str, default="", help="Set by beam-dynamodb's launchers."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A run, as its workers know it.

    Attributes:
        options: of the pipeline, frozen: tables, rates, filters.
        target: the class of what the options say several times, if they do.
        run: the run's name, and what its workers share.
        launcher: the versions that the launcher has.
    """

    options: Any
    target: type[Any] | None = None
    run: RunContext
    launcher: dict[str, str] = field(default_factory=versions_here)

    def to_json(self) -> str:
        """Returns the text that `parse` reads; equal specs have equal texts.

        Raises:
            UserError: a value of an option that no job file can say.
        """
        said = said_form(self.options, self.target)
        document = {
            "format": RUN_SPEC_FORMAT,
            "launcher": self.launcher,
            "options_class": _name(type(self.options)),
            "target_class": self.target and _name(self.target),
            "options": said,
            "run": msgspec.to_builtins(self.run, enc_hook=str),
        }
        text = msgspec.json.encode(document, order="sorted").decode()
        if RunSpec.parse(text).options != self.options:
            raise UserError(
                f"the options {said} do not survive the way to the workers; please "
                "report it"
            )
        return text

    @classmethod
    def parse(cls, text: str) -> "RunSpec":
        """Returns the spec that a launcher wrote.

        Raises:
            UserError: there is none, or it is of another format, or of a launcher of
                other versions, or cannot be read.
        """
        if not text:
            raise UserError(
                "this job was started without a run id, so nothing was read; "
                "launch it by the command, as 'beam-dynamodb template launch FILE'"
            )
        document = msgspec.json.decode(text)
        _check_format(document["format"])
        _check_versions(document["launcher"])
        target = document["target_class"]
        target_class = _find(target) if target else None
        return cls(
            options=options_from_said(
                _find(document["options_class"]), target_class, document["options"]
            ),
            target=target_class,
            run=_read_run(document["run"]),
            launcher=document["launcher"],
        )


def options_from_said(
    options: type[T], target: type[Any] | None, said: dict[str, Any]
) -> T:
    """Makes options of a job file's fields, in which targets are a list.

    Raises:
        UserError: a value that does not convert.
    """
    own = dict(said)
    if target is None:
        return build(options, own)
    opener = opener_of(target).name
    targets = tuple(
        build(target, one, where=f"{opener} {one.get(opener, '?')}")
        for one in own.pop(opener, [])
    )
    return build(options, own, targets=targets)


def _check_format(found: int) -> None:
    if found != RUN_SPEC_FORMAT:
        raise UserError(
            f"a run spec of format {found}, and this worker reads {RUN_SPEC_FORMAT}; "
            "install the launcher's beam-dynamodb on every worker"
        )


def _check_versions(launcher: dict[str, str]) -> None:
    wrong = difference(versions_here(), launcher)
    if wrong:
        raise UserError(wrong)


def _read_run(said: dict[str, Any]) -> RunContext:
    """Reads what the workers share; what was not written has its default."""
    try:
        ledger = said["ledger"] and _read_ledger(said["ledger"])
        accounted = tuple(said["accounted"])
        return RunContext(**said | {"ledger": ledger, "accounted": accounted})
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UserError(
            f"the run spec of run {said.get('run_id')} cannot be read ({error!r}): "
            "another beam-dynamodb wrote it; go on with the run by that one, or begin "
            "a new run"
        ) from error


def _read_ledger(said: dict[str, Any]) -> LedgerLocation:
    where = said["where"]
    is_path = isinstance(where, str)
    return LedgerLocation(
        Path(where) if is_path else msgspec.convert(where, TableRef),
        # Specs from before the workers were told so lack it.
        msgspec.convert(said.get("transport", {}), TransportConfig),
    )


def _name(options: type[Any]) -> str:
    return f"{options.__module__}:{options.__qualname__}"


def _find(name: str) -> type[Any]:
    module, _, attribute = name.partition(":")
    if not module.startswith("pipelines."):
        raise UserError(f"{name} names no options of beam-dynamodb's pipelines")
    found: type[Any] = getattr(import_module(module), attribute)
    return found


_parse = lru_cache(maxsize=8)(RunSpec.parse)


class FromRunSpec(ValueProvider, Generic[T]):
    """A part of the run spec, read on the worker.

    Args:
        provider: of the run spec's text.
        select: takes the part; an importable function, or a partial of one.
    """

    def __init__(self, provider: ValueProvider, select: Callable[[RunSpec], T]) -> None:
        self._provider = provider
        self._select = select

    def is_accessible(self) -> bool:
        """True where the run spec can be read."""
        accessible: bool = self._provider.is_accessible()
        return accessible

    def get(self) -> T:
        """Returns the part.

        Raises:
            UserError: as `RunSpec.parse`.
        """
        return self._select(_parse(self._provider.get()))


def provide(beam_options: PipelineOptions, spec: RunSpec) -> ValueProvider:
    """Puts a spec among Beam's options; returns where the steps find it."""
    provider = StaticValueProvider(str, spec.to_json())
    beam_options.view_as(RunSpecOptions).run_spec = provider
    return provider
