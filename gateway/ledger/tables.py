"""The ledger's tables; `migrations/` brings a database to them, and a test holds the two to each other."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateway.ledger.columns import COUNTER, Instant, Storable

# `candidate` of a verdict or finding on the prompt, which belongs to no candidate.
PROMPT = -1


class Table(DeclarativeBase):
    """What all of the ledger's tables share: names of constraints, and how Python's types are kept."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Storable,
        datetime: Instant,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class ExchangeRow(Table):
    """One exchange; `seq` is the order of arrival, which cursors count in."""

    __tablename__ = "exchanges"
    __table_args__ = (
        Index(None, "flagged", "seq"),
        Index(None, "version", "seq"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    key_id: Mapped[str]
    alias: Mapped[str]
    version: Mapped[str]
    policy: Mapped[str]
    strategy: Mapped[str]
    messages: Mapped[list[Any]]
    action: Mapped[str]
    answer: Mapped[str]
    finish_reason: Mapped[str]
    prompt_screening: Mapped[dict[str, Any] | None]
    chosen: Mapped[int | None]
    why: Mapped[str]
    degraded: Mapped[list[Any]]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    stage_seconds: Mapped[dict[str, Any]]
    subject: Mapped[str | None] = mapped_column(index=True)
    streamed: Mapped[bool]
    error: Mapped[str | None]
    learn: Mapped[bool | None]  # False where its request said so; older rows have none
    flagged: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(index=True)
    recorded_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]  # when its texts were taken out, since its subject asked for that


class CandidateRow(Table):
    """One sampled answer of an exchange, with its raw reward."""

    __tablename__ = "candidates"

    exchange_id: Mapped[str] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int]
    text: Mapped[str]
    message: Mapped[dict[str, Any]]
    finish_reason: Mapped[str]
    tokens: Mapped[int]
    logprobs: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    screening: Mapped[dict[str, Any] | None]
    reward: Mapped[float | None]
    revision_of: Mapped[int | None]  # the candidate of which it is a revision, by `index`
    late_reward: Mapped[float | None]  # of one that traffic did not score, given when pairs were made


class VerdictRow(Table):
    """One guard's raw scores, of exchanges from before `evidence` was kept; nothing is added to them."""

    __tablename__ = "verdicts"

    exchange_id: Mapped[str] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"), primary_key=True)
    candidate: Mapped[int] = mapped_column(primary_key=True)  # position among the candidates, or PROMPT
    position: Mapped[int] = mapped_column(primary_key=True)
    guard: Mapped[str] = mapped_column(index=True)
    scores: Mapped[dict[str, Any]]
    spans: Mapped[list[Any]]
    latency_seconds: Mapped[float]


class FindingRow(Table):
    """A verdict that crossed a threshold of the policy of its day."""

    __tablename__ = "findings"
    __table_args__ = (Index(None, "hazard", "exchange_id"),)

    exchange_id: Mapped[str] = mapped_column(ForeignKey("exchanges.id", ondelete="CASCADE"), primary_key=True)
    candidate: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    guard: Mapped[str]
    hazard: Mapped[str]
    probability: Mapped[float]
    action: Mapped[str]
    part: Mapped[str]


class DeadLetterRow(Table):
    """An exchange that the tables refused, whole, as ASCII JSON, with the reason."""

    __tablename__ = "dead_letters"

    exchange_id: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    document: Mapped[str]
    recorded_at: Mapped[datetime]


class KeyRow(Table):
    """A key, known only by the SHA-256 of its secret, and for a while of the one before."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]  # the secret's last four characters, for people to tell keys apart
    name: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    previous_digest: Mapped[str | None]  # of the secret before the last rotation, valid until
    previous_until: Mapped[datetime | None]
    limits: Mapped[dict[str, Any] | None]
    bounds: Mapped[dict[str, Any] | None]
    policy: Mapped[str | None]  # a guard policy by digest or name; null is the one in force
    learn: Mapped[bool | None]  # false: nothing that it asks is ever learnt from; null is true


class KeyUsageRow(Table):
    """Tokens that a key with a budget has spent in a day (2026-11-26) or a month (2026-11), in UTC."""

    __tablename__ = "key_usage"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)


class VersionRow(Table):
    """One immutable state of the policy model; `path` is null for bare base weights."""

    __tablename__ = "versions"

    id: Mapped[str] = mapped_column(primary_key=True)
    base: Mapped[str]
    path: Mapped[str | None]
    parent: Mapped[str | None] = mapped_column(ForeignKey("versions.id"))
    lineage: Mapped[dict[str, Any]]
    state: Mapped[str]  # registered, staged or retired
    created_at: Mapped[datetime]


class RouteRow(Table):
    """The share of an alias's traffic that a version gets."""

    __tablename__ = "routes"

    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(ForeignKey("versions.id"), primary_key=True)
    weight: Mapped[float]


class TransitionRow(Table):
    """Who or what changed something that matters, from what to what, and on which evidence."""

    __tablename__ = "transitions"
    __table_args__ = (Index(None, "kind", "subject", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(COUNTER, primary_key=True)
    kind: Mapped[str]  # rollout, rollback, stage, retire, key, policy, retraining …
    subject: Mapped[str]  # the alias, version, key … that changed
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    cause: Mapped[str]
    actor: Mapped[str]  # the key that asked, or the part of the system that did it by itself
    evidence: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class PairRow(Table):
    """A preference: to these messages, `chosen` is the better answer."""

    __tablename__ = "pairs"

    id: Mapped[str] = mapped_column(primary_key=True)
    content_hash: Mapped[str] = mapped_column(unique=True)
    exchange_id: Mapped[str | None] = mapped_column(ForeignKey("exchanges.id"), index=True)
    prompt: Mapped[list[Any]]
    chosen: Mapped[str]
    rejected: Mapped[str]
    provenance: Mapped[dict[str, Any]]
    dataset_hash: Mapped[str | None] = mapped_column(index=True)  # of its latest training; null before
    created_at: Mapped[datetime]
    key_id: Mapped[str | None] = mapped_column(index=True)
    subject: Mapped[str | None] = mapped_column(index=True)
    # When it was erased: its id stays, so that the same texts are not learnt again; its texts are gone.
    erased_at: Mapped[datetime | None]


class RetrainingRow(Table):
    """One journey from pairs to a version; `running` is 1 while under way, else null: one an alias at a time."""

    __tablename__ = "retrainings"
    __table_args__ = (Index("uq_retrainings_alias_running", "alias", "running", unique=True),)

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    alias: Mapped[str]
    running: Mapped[int | None]
    parameters: Mapped[dict[str, Any]]
    reasons: Mapped[list[Any]]
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RetrainingStepRow(Table):
    """One step of a retraining and what it left behind, so that a killed worker resumes after it."""

    __tablename__ = "retraining_steps"

    retraining_id: Mapped[str] = mapped_column(ForeignKey("retrainings.id"), primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]  # started (with an end, where its worker left it), done, failed or undone
    evidence: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ResponseRow(Table):
    """An answer of the Responses API that its client may fetch and go on from, until it expires."""

    __tablename__ = "responses"

    id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str]
    previous_id: Mapped[str | None]  # of the response that it went on from, which may be gone
    response: Mapped[dict[str, Any]]  # without its output
    input: Mapped[list[Any]]  # its own items, redacted as the policy redacted them
    output: Mapped[list[Any]]
    size: Mapped[int]  # of input and output, in bytes of JSON
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
