"""Keys: whether what a route writes carries the key that its table wants."""

from collections.abc import Mapping

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import KeyAttribute, KeySchema
from transforms.mapping import ItemMapping

__all__ = ["check_keys", "check_mapped_keys", "describe_keys"]

Columns = Mapping[str, str]


def describe_keys(keys: KeySchema) -> str:
    """Returns the keys as a person says them.

    >>> describe_keys(KeySchema(KeyAttribute("id", "S"), KeyAttribute("day", "N")))
    'partition key id (S), sort key day (N)'
    """
    return ", ".join(f"{role} {one.name} ({one.type})" for role, one in _roles(keys))


def check_keys(
    *,
    route: str,
    source: tuple[str, KeySchema],
    target: tuple[str, KeySchema],
    mappings: tuple[tuple[str, Columns | None], ...],
) -> None:
    """Refuses a route whose items would not have the target's key.

    Args:
        route: its name, for the error.
        source: the source as displayed, and its keys.
        target: the target as displayed, and its keys.
        mappings: the columns that items pass, first to last, each with its name for
            the error; None keeps every attribute.

    Raises:
        UserError: a key attribute that is dropped or renamed away, or keys that
            differ in name, type or number.
    """
    wanted = dict(_roles(target[1]))
    mapped = {
        role: _map_key(f"route {route}", role, one, source[0], mappings)
        for role, one in _roles(source[1])
    }
    for role, one in _roles(source[1]):
        name, want = mapped[role].name, wanted.get(role)
        if name != one.name and want and name != want.name:
            raise UserError(
                f"route {route}: columns rename {one.name!r}, the {role} of "
                f"{source[0]}, to {name!r}, but the {role} of {target[0]} is "
                f"{want.name!r}; write it as {one.name}:{want.name}"
            )
    if mapped != wanted:
        raise UserError(
            f"route {route}: the keys differ: {source[0]} gives "
            f"{_describe(mapped)}, and {target[0]} has {_describe(wanted)}; create the "
            "target with the source's keys, or rename with --columns SOURCE:TARGET"
        )


def check_mapped_keys(
    *,
    route: str,
    source: tuple[str, KeySchema],
    target: tuple[str, KeySchema],
    mapping: ItemMapping,
) -> None:
    """Refuses a mapping whose items would not have the target's key.

    Args:
        route: its name, for the error.
        source: the source as displayed, and its keys.
        target: the target as displayed, and its keys.
        mapping: what the route makes of an item; it may make keys anew.

    Raises:
        UserError: a key attribute that the mapping does not make, or that is a key of
            the source of another type.
    """
    types = {key.name: key.type for _, key in _roles(source[1])}
    for role, key in _roles(target[1]):
        if mapping.targets is not None and key.name not in mapping.targets:
            raise UserError(
                f"route {route}: the mapping makes no {key.name!r}, the {role} of "
                f"{target[0]}; add … AS {key.name}"
            )
        origin = mapping.origin_of(key.name)
        if origin is not None and types.get(origin, key.type) != key.type:
            raise UserError(
                f"route {route}: {origin!r} of {source[0]} is {types[origin]}, and the "
                f"{role} {key.name!r} of {target[0]} is {key.type}; cast it, as "
                f"{'string' if key.type == 'S' else 'number'}({origin}) AS {key.name}"
            )


def _roles(keys: KeySchema) -> list[tuple[str, KeyAttribute]]:
    roles = [("partition key", keys.partition_key)]
    return roles + ([("sort key", keys.sort_key)] if keys.sort_key else [])


def _map_key(
    route: str,
    role: str,
    key: KeyAttribute,
    source: str,
    mappings: tuple[tuple[str, Columns | None], ...],
) -> KeyAttribute:
    name = key.name
    for place, columns in mappings:
        if columns is None:
            continue
        if name not in columns:
            raise UserError(
                f"{route}: {place} drop {name!r}, the {role} of {source}; add {name} "
                "to them"
            )
        name = columns[name]
    return KeyAttribute(name, key.type)


def _describe(keys: Mapping[str, KeyAttribute]) -> str:
    named = [f"{role} {one.name} ({one.type})" for role, one in keys.items()]
    return ", ".join(named + ([] if "sort key" in keys else ["no sort key"]))
