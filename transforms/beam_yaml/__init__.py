"""Our transforms in Beam YAML: the same, made of the words of a configuration.

    pipeline.yaml --include--> providers.yaml --names--> a function here --> PTransform

What flows between them are items, byte for byte, or rows where a schema was given.
Needs the extra `yaml`.
"""

from transforms.beam_yaml.reading import (
    query_items,
    read_from_dynamodb,
    read_from_dynamodb_export,
)
from transforms.beam_yaml.writing import (
    write_to_dynamodb,
    write_to_dynamodb_export,
    write_to_regions,
)

__all__ = [
    "query_items",
    "read_from_dynamodb",
    "read_from_dynamodb_export",
    "write_to_dynamodb",
    "write_to_dynamodb_export",
    "write_to_regions",
]
