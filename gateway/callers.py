"""Who calls: what the data plane asks of keys."""

from typing import Literal, Protocol

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
