"""An exchange as one JSON document: the journal's record, and the dead letter's."""

from pydantic import TypeAdapter

from gateway.exchange import Exchange
from gateway.ledger import jsontext

EXCHANGE = TypeAdapter(Exchange)


def write(exchange: Exchange) -> bytes:
    """The exchange whole, on one line."""
    return jsontext.dumps(exchange)


def read(document: bytes) -> Exchange:
    """The exchange that `write` wrote; raises ValueError when it is none."""
    return EXCHANGE.validate_python(jsontext.loads(document))
