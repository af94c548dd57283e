"""DynamoDB's condition expressions: parsed, evaluated, compiled, sent.

text --parser--> tree --evaluation--> bool           one item, as parsed JSON
                  |----compilation--> bytes -> bool  every item of a scan
                  `----rendering----> ServiceExpression, for a FilterExpression
"""

from transforms.dynamodb.expressions.condition import Condition, parse_condition
from transforms.dynamodb.expressions.parser import parse_path
from transforms.dynamodb.expressions.projection import render_projection
from transforms.dynamodb.expressions.service import ServiceExpression
from transforms.dynamodb.expressions.syntax import Path

__all__ = [
    "Condition",
    "Path",
    "ServiceExpression",
    "parse_condition",
    "parse_path",
    "render_projection",
]
