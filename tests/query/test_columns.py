"""Wire items to columns: every type, what is not there, and what does not fit."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from transforms.dynamodb.attribute_values import decode_item
from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.query.columns import ColumnDecoder
from transforms.query.moments import moment_of
from transforms.query.schema import parse_schema, schema_of_mapping


def wires(*items: dict[str, Any]) -> list[bytes]:
    return [json.dumps(item).encode() for item in items]


def decoded(schema: str, *items: dict[str, Any], misfits: Any = "error") -> list[Any]:
    decoder = ColumnDecoder("eu-west-1/birds", parse_schema(schema), misfits)
    return list(decoder.decode(wires(*items)).batch.to_pylist())


def moment(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - as SQL has it


TYPES = {
    "text": ("VARCHAR", {"S": "é\n\U0001f426"}, "é\n\U0001f426"),
    "whole": ("BIGINT", {"N": "-9223372036854775808"}, -(2**63)),
    "whole with an exponent": ("BIGINT", {"N": "1.5E+3"}, 1500),
    "double": ("DOUBLE", {"N": "1.25"}, 1.25),
    "decimal": ("DECIMAL(38,2)", {"N": "-1.5"}, Decimal("-1.50")),
    "all 38 digits": ("DECIMAL(38,0)", {"N": "9" * 38}, Decimal("9" * 38)),
    "a number's text": ("VARCHAR OF N", {"N": "1E-130"}, "1E-130"),
    "text or number": ("VARCHAR OF S|N", {"N": "7"}, "7"),
    "truth": ("BOOLEAN", {"BOOL": False}, False),
    "binary": ("BLOB", {"B": "AP8="}, b"\x00\xff"),
    "day": ("DATE", {"S": "2013-06-01"}, date(2013, 6, 1)),
    "moment": ("TIMESTAMP", {"S": "2013-06-01 05:00"}, moment(2013, 6, 1, 5)),
    "moment in UTC": (
        "TIMESTAMP",
        {"S": "2013-06-01T05:00:00.25Z"},
        moment(2013, 6, 1, 5, 0, 0, 250_000),
    ),
    "moment of a zone": (
        "TIMESTAMP",
        {"S": "2013-06-01T00:30:00-05:30"},
        moment(2013, 6, 1, 6),
    ),
    "seconds since 1970": (
        "TIMESTAMP OF N",
        {"N": "1370062800.5"},
        moment(2013, 6, 1, 5, 0, 0, 500_000),
    ),
    "days": ("DATE[]", {"SS": ["2013-06-01"]}, [date(2013, 6, 1)]),
    "list": ("BIGINT[]", {"L": [{"N": "1"}, {"NULL": True}]}, [1, None]),
    "set": ("VARCHAR[]", {"SS": ["a", "b"]}, ["a", "b"]),
    "set of binary": ("BLOB[]", {"BS": ["AA=="]}, [b"\x00"]),
    "struct": (
        "STRUCT(a VARCHAR, b DOUBLE)",
        {"M": {"a": {"S": "x"}, "c": {"S": "left out"}}},
        {"a": "x", "b": None},
    ),
    "map": ("MAP(VARCHAR, BIGINT)", {"M": {"k": {"N": "1"}}}, [("k", 1)]),
    "anything": (
        "JSON",
        {"M": {"l": {"L": [{"N": "1.50"}, {"BOOL": True}]}, "s": {"S": 'a"'}}},
        '{"l":[1.50,true],"s":"a\\""}',
    ),
}


@pytest.mark.parametrize(("kind", "given", "expected"), TYPES.values(), ids=TYPES)
def test_each_type_is_read(kind, given, expected):
    assert decoded(f"x {kind}", {"x": given}) == [{"x": expected}]


@pytest.mark.parametrize("kind", [kind for kind, _, _ in TYPES.values()], ids=TYPES)
def test_an_attribute_that_is_not_there_or_null_is_null(kind):
    assert decoded(f"x {kind}", {}, {"x": {"NULL": True}}) == [{"x": None}, {"x": None}]


MISFITS = {
    "number for text": ("VARCHAR", {"N": "1"}),
    "text for number": ("DOUBLE", {"S": "1"}),
    "fraction for whole": ("BIGINT", {"N": "1.5"}),
    "too large for whole": ("BIGINT", {"N": "9223372036854775808"}),
    "huge for whole": ("BIGINT", {"N": "1E+125"}),
    "too many places": ("DECIMAL(38,2)", {"N": "1.005"}),
    "too many digits": ("DECIMAL(5,2)", {"N": "1000"}),
    "no day": ("DATE", {"S": "2013-02-30"}),
    "a moment for a day": ("DATE", {"S": "2013-06-01T00:00:00"}),
    "no moment": ("TIMESTAMP", {"S": "yesterday"}),
    "a moment of nowhere": ("TIMESTAMP", {"S": "2013-06-01T25:00:00Z"}),
    "seconds beyond all calendars": ("TIMESTAMP OF N", {"N": "1E+100"}),
    "a list's element": ("BIGINT[]", {"L": [{"S": "x"}]}),
    "an empty text for a truth": ("BOOLEAN", {"S": ""}),
    "a map for a list": ("VARCHAR[]", {"M": {}}),
    "binary for struct": ("STRUCT(a VARCHAR)", {"B": "AA=="}),
}


@pytest.mark.parametrize(("kind", "given"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_is_counted_and_null_or_kept_aside_or_stops(kind, given):
    items = [{"id": {"S": "1"}}, {"id": {"S": "2"}, "x": given}, {"id": {"S": "3"}}]
    schema = parse_schema(f"id VARCHAR, x {kind}")
    as_null = ColumnDecoder("t", schema, "null").decode(wires(*items))
    assert [row["x"] for row in as_null.batch.to_pylist()] == [None] * 3
    assert (as_null.misfits, as_null.aside) == (1, ())
    aside = ColumnDecoder("t", schema, "aside").decode(wires(*items))
    assert [row["id"] for row in aside.batch.to_pylist()] == ["1", "3"]
    assert (aside.misfits, list(aside.aside)) == (1, wires(items[1]))
    with pytest.raises(JobStoppedError, match=r"attribute 'x' is not .* --misfits"):
        ColumnDecoder("eu-west-1/t", schema).decode(wires(*items))


def test_one_number_that_needs_care_leaves_the_others_of_its_page_as_they_are():
    items = [{"n": {"N": text}} for text in ("1", "1E+2", "3")]
    assert decoded("n BIGINT", *items) == [{"n": 1}, {"n": 100}, {"n": 3}]


@given(
    st.lists(
        st.tuples(
            st.datetimes(moment(1, 1, 2), moment(9999, 12, 30)),
            st.sampled_from(["", "Z", "+02:00", "-0530", "+09"]),
            st.sampled_from(["T", " "]),
            st.sampled_from(["hours", "minutes", "seconds", "milliseconds", "auto"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_moment_is_the_same_whatever_else_is_on_its_page(moments):
    """Arrow reads a page at once where it can; what it cannot is read one by one."""
    items = [
        {"x": {"S": moment.isoformat(separator, precision) + zone}}
        for moment, zone, separator, precision in moments
    ]
    alone = [decoded("x TIMESTAMP", item)[0]["x"] for item in items]
    together = [row["x"] for row in decoded("x TIMESTAMP", *items)]
    one_by_one = [moment_of("S", item["x"]["S"]) for item in items]
    assert alone == together == one_by_one


def test_a_column_may_have_another_name_than_its_attribute():
    assert decoded('late DOUBLE FROM "minutes late"', {"minutes late": {"N": "2"}}) == [
        {"late": 2.0}
    ]


def test_attributes_that_nobody_asked_for_are_skipped():
    assert decoded("a VARCHAR", {"b": {"M": {"a": {"S": "x"}}}, "a": {"S": "y"}}) == [
        {"a": "y"}
    ]


@given(
    st.lists(
        st.decimals(
            allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9
        )
        .map(lambda n: format(round(n, 4), "f"))
        .filter(lambda text: len(text) < 30),
        max_size=20,
    )
)
def test_decimals_are_exact_whatever_they_are(texts):
    items = [{"n": {"N": text}} for text in texts]
    rows = decoded("n DECIMAL(38,4)", *items)
    assert [row["n"] for row in rows] == [
        decode_item(wire)["n"] for wire in wires(*items)
    ]


BAD_SCHEMAS = {
    "no type": ("id", "column 'id' cannot be read"),
    "unknown type": ("id WIBBLE", "WIBBLE"),
    "two of one name": ("id VARCHAR, ID DOUBLE", "are one name to SQL"),
    "tag that cannot be": ("id DOUBLE OF S", "cannot be made from S"),
    "map by number": ("m MAP(INT, INT)", "keys of a MAP are VARCHAR"),
    "39 digits": ("d DECIMAL(39,2)", "1 to 38 digits"),
}


@pytest.mark.parametrize(("text", "message"), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_a_bad_schema_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse_schema(text)


def test_a_schema_reads_back_and_a_mapping_says_the_same():
    text = (
        '"id" VARCHAR, "n" VARCHAR OF N FROM "N o", "m" MAP(VARCHAR, DECIMAL(9,2)[]),'
        ' "s" STRUCT("a" VARCHAR, "b" BIGINT)'
    )
    assert str(parse_schema(text)) == text
    mapping = {
        "id": "VARCHAR",
        "n": {"type": "VARCHAR", "of": "N", "from": "N o"},
        "m": "MAP(VARCHAR, DECIMAL(9,2)[])",
        "s": "STRUCT(a VARCHAR, b BIGINT)",
    }
    assert schema_of_mapping(mapping) == parse_schema(text)
