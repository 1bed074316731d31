import pytest
from hypothesis import given

from gateway.ledger import document
from tests.gateway.ledger.exchanges import ANY_TEXT, exchange, exchanges, few


@few
@given(exchanges(ANY_TEXT))
def test_any_exchange_is_read_back_as_it_was_written(told):
    assert document.read(document.write(told)) == told


@few
@given(exchanges(ANY_TEXT))
def test_a_document_is_one_line(told):
    assert b"\n" not in document.write(told)


def test_what_a_later_release_adds_is_ignored():
    written = document.write(exchange("x")).replace(b'"id":"x"', b'"id":"x","mood":"good"')
    assert document.read(written) == exchange("x")


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"null", b'{"id": 3}'])
def test_what_is_no_exchange_is_a_value_error(broken):
    with pytest.raises(ValueError, match=r"."):
        document.read(broken)
