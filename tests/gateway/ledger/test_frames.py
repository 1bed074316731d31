from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.frames import frame, unframe

PAYLOADS = st.binary().filter(lambda payload: b"\n" not in payload)


@given(PAYLOADS)
def test_a_payload_survives_its_frame(payload):
    assert unframe(frame(payload)) == payload


@given(PAYLOADS, st.data())
def test_a_torn_frame_holds_nothing(payload, data):
    line = frame(payload)
    assert unframe(line[: data.draw(st.integers(0, len(line) - 1))]) is None


@given(PAYLOADS.filter(len), st.data())
def test_a_flipped_bit_of_the_payload_is_noticed(payload, data):
    line = bytearray(frame(payload))
    place = data.draw(st.integers(len(line) - 1 - len(payload), len(line) - 2))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    assert unframe(bytes(line)) is None
