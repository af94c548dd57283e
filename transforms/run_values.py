"""Values that a step reads when it runs, not when its pipeline is built.

A pipeline that is built once and launched many times cannot have its tables and rates
in the graph. Its steps hold a `RunValue` instead, and ask for what is in it in
`DoFn.setup` or later, never in `expand`.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Given", "RunValue"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class RunValue(Protocol[T_co]):
    """Something that pickles, and has a value on the workers."""

    def get(self) -> T_co:
        """Returns the value.

        Raises:
            UserError: the job was started without one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Given(Generic[T]):
    """A value known when the pipeline is built, as all those of a library call are."""

    value: T

    def get(self) -> T:
        """Returns the value."""
        return self.value
