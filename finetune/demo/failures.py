"""What may stop a demo, each with a sentence for people."""

from openai import OpenAIError

from finetune.demo.prompts import PromptsUnreadable
from finetune.errors import FinetuneFailed
from gateway.ledger.contract import LedgerFailed
from gateway.settings import SettingsInvalid
from gateway.up.stack import StackFailed
from gateway.up.supervisor import SupervisorFailed
from rewardserve.client import RewardFailed

FAILURES = (
    FinetuneFailed,
    LedgerFailed,
    OpenAIError,
    PromptsUnreadable,
    RewardFailed,
    SettingsInvalid,
    StackFailed,
    SupervisorFailed,
)
