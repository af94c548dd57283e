"""Receipts and rejected items: values that travel."""

import pickle

import pytest
from apache_beam.coders import registry
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import origins, texts, wire_items
from transforms.items import Item
from transforms.receipts import Receipt, RejectedItem

counts = st.integers(0, 2**40)
receipts = st.builds(
    Receipt,
    route=texts,
    origin=origins,
    items=counts,
    written=counts,
    filtered=counts,
    superseded=counts,
    rejected=counts,
    write_units=st.floats(0, 1e9),
)
rejected_items = st.builds(
    RejectedItem,
    texts,
    texts,
    st.integers(0, 99),
    st.builds(Item, wire_items(), origins),
)


@given(receipts)
def test_a_receipt_comes_back_as_it_was(receipt):
    coder = registry.get_coder(Receipt)
    assert coder.decode(coder.encode(receipt)) == receipt
    assert coder.is_deterministic()
    assert pickle.loads(pickle.dumps(receipt)) == receipt


@given(rejected_items)
def test_a_rejected_item_comes_back_with_its_bytes_and_origin(rejected):
    coder = registry.get_coder(RejectedItem)
    again = coder.decode(coder.encode(rejected))
    assert again == rejected
    assert again.item.wire == rejected.item.wire
    assert again.item.origin == rejected.item.origin
    assert not coder.is_deterministic()


def test_a_receipt_balances_if_each_item_is_accounted_for():
    assert Receipt("r", None, 10, 4, 3, 2, 1, 4.0).balances
    assert not Receipt("r", None, 10, 4, 3, 2, 0, 4.0).balances


@pytest.mark.parametrize(
    "value",
    [Receipt("r", None, 0, 0, 0, 0, 0, 0.0), RejectedItem("r", "bad", 1, Item(b"{}"))],
    ids=["receipt", "rejected"],
)
def test_bytes_of_another_version_are_refused_with_the_remedy(value):
    coder = registry.get_coder(type(value))
    encoded = bytearray(coder.encode(value))
    encoded[1] = 9  # after the head of the array comes the version
    with pytest.raises(ValueError, match="same beam-dynamodb on every worker"):
        coder.decode(bytes(encoded))
