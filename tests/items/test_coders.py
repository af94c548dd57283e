"""The coders of items and pages, as Beam uses them."""

import pickle

import msgspec
import pytest
from apache_beam.coders import registry
from apache_beam.coders.coders import FastPrimitivesCoder
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import origins, wire_items
from transforms.items import Item, ItemCoder, Origin, Page, PageCoder


@given(wire_items(), origins)
def test_an_item_comes_back_byte_for_byte_with_its_origin(wire, origin):
    coder = ItemCoder()
    encoded = coder.encode(Item(msgspec.Raw(wire), origin))
    again = coder.decode(encoded)
    assert (again.wire, again.origin) == (wire, origin)
    assert coder.estimate_size(again) == len(encoded)


@st.composite
def pages(draw):
    wires = [msgspec.Raw(wire) for wire in draw(st.lists(wire_items(), max_size=6))]
    return Page(
        wires,
        draw(origins.filter(bool)),
        scanned_count=draw(st.integers(0, 2**40)),
        count=len(wires),
        consumed_units=draw(st.floats(0, 1e6)),
        size_bytes=draw(st.none() | st.integers(0, 2**21)),
    )


@given(pages())
def test_a_page_comes_back_with_all_its_fields(page):
    again = PageCoder().decode(PageCoder().encode(page))
    assert list(map(bytes, again.items)) == list(map(bytes, page.items))
    for field in ("origin", "scanned_count", "count", "consumed_units"):
        assert getattr(again, field) == getattr(page, field)


@given(pages())
def test_the_size_of_a_page_is_known_without_encoding_it(page):
    coder = PageCoder()
    again = coder.decode(coder.encode(page))
    encoded_bytes = len(coder.encode(again))
    # The estimate leaves out the page digest, 8 bytes at most.
    assert 0 <= encoded_bytes - coder.estimate_size(again) <= 8


def test_beam_finds_the_coders_by_type():
    assert registry.get_coder(Item) == ItemCoder()
    assert registry.get_coder(Page) == PageCoder()
    assert registry.get_coder(int) != ItemCoder()
    assert not isinstance(registry.get_coder(Item), FastPrimitivesCoder)


@pytest.mark.parametrize("coder", [ItemCoder(), PageCoder()], ids=["item", "page"])
def test_a_coder_travels_and_stays_equal_to_itself(coder):
    assert pickle.loads(pickle.dumps(coder)) == coder
    assert hash(coder) == hash(type(coder)())
    assert not coder.is_deterministic()


def test_grouping_by_items_is_refused_with_what_to_group_by():
    with pytest.raises(ValueError, match=r"Group.*key_digest.*content_digest"):
        ItemCoder().as_deterministic_coder("Group")


@pytest.mark.parametrize(
    ("coder", "value"),
    [
        pytest.param(ItemCoder(), Item(b"{}"), id="item"),
        pytest.param(PageCoder(), Page([], Origin(0, b""), 0, 0), id="page"),
    ],
)
def test_bytes_of_another_version_are_refused_with_the_remedy(coder, value):
    encoded = coder.encode(value)
    with pytest.raises(ValueError, match=r"format 2.*one version of beam-dynamodb"):
        coder.decode(b"\2" + encoded[1:])
