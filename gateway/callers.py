"""Who calls: what both listeners ask of keys, and how a key is read from a request."""

from collections.abc import Iterable
from typing import Literal, Protocol

from gateway.errors import Unauthenticated
from gateway.tenants.terms import Terms

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

    @property
    def terms(self) -> Terms:
        """What it may spend and ask for, and who screens it."""
        ...


class Keys(Protocol):
    """The keys that are valid now."""

    def authenticate(self, secret: str) -> Caller | None:
        """Whose key this is; None when it is nobody's."""
        ...


def caller_in(headers: Iterable[tuple[bytes, bytes]], keys: Keys) -> Caller:
    """Whose key a request brings, once or the same in both headers; raises Unauthenticated."""
    secrets = {secret for name, value in headers if (secret := _secret_in(name, value)) is not None}
    caller = keys.authenticate(secrets.pop()) if len(secrets) == 1 else None
    if caller is None:
        told = "a valid key is needed: Authorization: Bearer KEY, or x-api-key: KEY"
        raise Unauthenticated(told, code="invalid_api_key")
    return caller


def _secret_in(name: bytes, value: bytes) -> str | None:
    """What a header offers as a key, "" where that can be none; None for a header that is about no key."""
    if name == b"x-api-key":
        return str(value, "latin-1")
    if name != b"authorization":
        return None
    scheme, _, secret = str(value, "latin-1").partition(" ")
    return secret if scheme.lower() == "bearer" else ""
