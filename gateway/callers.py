"""Who calls: what both listeners ask of keys, and how a key is read from a request."""

from collections.abc import Iterable
from typing import Literal, Protocol

from gateway.errors import Unauthenticated

Role = Literal["application", "viewer", "operator", "admin"]
# A viewer may look at everything and ask for nothing; versions are the business of those who move traffic.
MAY_CHAT = frozenset({"application", "operator", "admin"})
MAY_SEE_VERSIONS = frozenset({"viewer", "operator", "admin"})


class Caller(Protocol):
    """The owner of a key."""

    @property
    def id(self) -> str:
        """What exchanges are recorded under."""
        ...

    @property
    def name(self) -> str:
        """What its operator calls it."""
        ...

    @property
    def role(self) -> str:
        """One of Role's words."""
        ...


class Keys(Protocol):
    """The keys that are valid now."""

    def authenticate(self, secret: str) -> Caller | None:
        """Whose key this is; None when it is nobody's."""
        ...


def caller_in(headers: Iterable[tuple[bytes, bytes]], keys: Keys) -> Caller:
    """Whose key a request brings as its one bearer token; raises Unauthenticated."""
    given = [value for name, value in headers if name == b"authorization"]
    scheme, _, secret = str(given[0], "latin-1").partition(" ") if len(given) == 1 else ("", "", "")
    caller = keys.authenticate(secret) if scheme.lower() == "bearer" and secret else None
    if caller is None:
        raise Unauthenticated("a valid key is needed: Authorization: Bearer KEY", code="invalid_api_key")
    return caller
