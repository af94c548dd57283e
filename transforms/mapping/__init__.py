"""What becomes of an item between scan and write: a small language, or a function.

text --parser--> ItemMapping --compilation--> bytes -> [bytes, …]    none, one, several
package.module:function --python_function---> the same
"""

from transforms.mapping.compilation import compile_mapping
from transforms.mapping.functions import MisfitError
from transforms.mapping.parser import parse_mapping
from transforms.mapping.python_function import (
    MapFunction,
    compile_function,
    is_function_name,
    load_function,
)
from transforms.mapping.secrets import check_reference, read_secret
from transforms.mapping.syntax import ItemMapping

__all__ = [
    "ItemMapping",
    "MapFunction",
    "MisfitError",
    "check_reference",
    "compile_function",
    "compile_mapping",
    "is_function_name",
    "load_function",
    "parse_mapping",
    "read_secret",
]
