"""Checksums and number plans."""

import pytest

from guards.detectors.checks import CHECKS


@pytest.mark.parametrize(
    ("check", "text", "valid"),
    [
        ("card", "5555 5555 5555 4444", True),
        ("card", "6011-1111-1111-1117", True),
        ("card", "5555 5555 5555 4445", False),
        ("card", "4242", False),
        ("iban", "FR14 2004 1010 0505 0001 3M02 606", True),
        ("iban", "FR14 2004 1010 0505 0001 3M02 607", False),
        ("us_ssn", "536 90 4399", True),
        ("us_ssn", "666-90-4399", False),
        ("ip_address", "1.1.1.1", True),
        ("ip_address", "10.0.0.1", False),
        ("ip_address", "999.1.1.1", False),
        ("ip_address", "2606:4700:4700::1111", True),
        ("phone", "+44 20 7946 0958", True),
        ("phone", "+44 1", False),
        ("mixed", "sk-abcdefghijklmnop", False),
        ("mixed", "sk-a1b2c3d4e5", True),
    ],
)
def test_a_check_tells_a_true_one_from_a_likeness(check: str, text: str, valid: bool) -> None:
    assert CHECKS[check](text) is valid
