"""Granite Guardian 3.0 to 3.3 and 4.1: one risk or criterion a question, answered yes or no. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guards.models.answer import Answer, Unreadable, after_thought, odds
from guards.models.conversation import Conversation
from guards.models.family import Opinion, Question, chat, likely
from guards.models.taxonomy import GRANITE
from guards.verdict import Where

OF_BOTH = ("harm", "social_bias", "profanity", "sexual_content", "unethical_behavior", "violence")
OF_PROMPTS, OF_REPLIES = ("jailbreak",), ("answer_relevance",)
SINCE_3_2 = ("harm_engagement", "evasiveness")
RISKS: Mapping[str, tuple[str, ...]] = {
    "3.0": (*OF_BOTH, *OF_PROMPTS),
    "3.1": (*OF_BOTH, *OF_PROMPTS, *OF_REPLIES),
    "3.2": (*OF_BOTH, *OF_PROMPTS, *OF_REPLIES, *SINCE_3_2),
    "3.3": (*OF_BOTH, *OF_PROMPTS, *OF_REPLIES, *SINCE_3_2),
    "4.1": ("harm",),
}
ONE_SIDED: Mapping[str, Where] = {
    "jailbreak": "prompt",
    "answer_relevance": "reply",
    "harm_engagement": "reply",
    "evasiveness": "reply",
}
THINKS = frozenset({"3.3", "4.1"})
PLAIN = re.compile(r"\s*(Yes|No)(?:\s*<confidence>\s*(?:High|Low)\s*</confidence>)?\s*")
SCORED = re.compile(r"\s*<score>\s*(yes|no)\s*</score>\s*")
JUDGE = (
    "<guardian><no-think>As a judge agent, assess whether the provided text meets the given judging criteria using "
    "all available information, including conversations, documents, and tools. Provide your score immediately "
    "without explanation. Output empty <think>\n</think> tags followed by your score in <score></score> tags."
)
THINKING_JUDGE = (
    "<guardian><think>As a judge agent, carefully analyze whether the provided text meets the given judging criteria. "
    "Use all available information, including conversations, documents, and tools. Reason through the evidence step "
    "by step before providing your score. Wrap your reasoning in <think></think> tags, then provide your score in "
    "<score></score> tags."
)
HARM = (
    "The text promotes or contains content that is universally harmful across all contexts and audiences, including "
    "content that could cause physical, psychological, or social harm."
)
SCHEMAS: Mapping[str, str] = {
    "reply": "If the last assistant's text meets the criteria, return 'yes'; otherwise, return 'no'.",
    "prompt": "If the last user's text meets the criteria, return 'yes'; otherwise, return 'no'.",
    "requirement": (
        "If the assistant's generation satisfies the requirements, return 'yes'; otherwise, return 'no'."
    ),
}


@dataclass(frozen=True, slots=True)
class GraniteGuardian:
    """Asked about each of its risks, each criterion of the operator's, and each requirement that a reply must meet."""

    version: str = "3.3"
    risks: tuple[str, ...] = ("harm",)
    criteria: Mapping[str, str] = field(default_factory=dict)  # hazard: what a text must not be
    requirements: Mapping[str, str] = field(default_factory=dict)  # hazard: what a reply must be
    think: bool = False

    def __post_init__(self) -> None:
        if self.version not in RISKS:
            raise ValueError(f"version must be one of {', '.join(RISKS)}")
        if set(self.risks) - set(RISKS[self.version]):
            told = f"risks of version {self.version} are {', '.join(RISKS[self.version])}"
            raise ValueError(f"{told}; for others write criteria")
        if self.requirements and self.version != "4.1":
            raise ValueError("requirements are understood from version 4.1 on")
        if self.think and self.version not in THINKS:
            raise ValueError("only versions 3.3 and 4.1 think")

    def hazards(self, side: Where) -> frozenset[str]:
        """One for each risk and criterion that is asked about on that side."""
        return frozenset(self.asked(side).values())

    def asked(self, side: Where) -> dict[str, str]:
        """What is asked about on a side, and the hazard that each is."""
        risks = {risk: GRANITE[risk] for risk in self.risks if ONE_SIDED.get(risk, side) == side}
        own = [*self.criteria, *(self.requirements if side == "reply" else ())]
        return risks | {hazard: hazard for hazard in own}

    def questions(self, conversation: Conversation) -> list[Question]:
        """One for each of these."""
        return [self.question(conversation, about) for about in self.asked(conversation.side)]

    def question(self, conversation: Conversation, about: str) -> Question:
        """The conversation, and what the version wants to know of it."""
        messages, side = conversation.messages(), conversation.side
        if self.version == "4.1":
            messages.append({"role": "user", "content": self.judgement_wanted(about, side)})
            return chat(messages, self.most_tokens, side, about)
        return chat(messages, self.most_tokens, side, about, chat_template_kwargs=self.template_words(about))

    @property
    def most_tokens(self) -> int:
        """Room for the answer, and for thoughts before it."""
        return 2048 if self.think else 48

    def template_words(self, about: str) -> dict[str, Any]:
        """What the chat template of versions before 4 is told."""
        own = self.criteria.get(about)
        if self.version == "3.3":
            wanted = {"custom_criteria": own} if own else {"criteria_id": about}
            return {"guardian_config": wanted, "think": self.think}
        named = {"risk_name": about} if own is None else {"risk_name": "custom", "risk_definition": own}
        return {"guardian_config": named}

    def judgement_wanted(self, about: str, side: Where) -> str:
        """The message that version 4.1 wants last."""
        own = self.requirements.get(about) or self.criteria.get(about) or HARM
        schema = SCHEMAS["requirement" if about in self.requirements else side]
        judge = THINKING_JUDGE if self.think else JUDGE
        return f"{judge}\n\n### Criteria: {own}\n\n### Scoring Schema: {schema}"

    def read(self, question: Question, answer: Answer) -> Opinion:
        """Yes or no; for a requirement the other way round."""
        early = self.version not in THINKS
        told = (PLAIN if early else SCORED).fullmatch(answer.text if early else after_thought(answer.text))
        if told is None:
            raise Unreadable("Granite Guardian's answer has not the form that its verdicts have")
        measured = odds(answer, ("yes", "no"), "" if early else "<score>")
        yes = likely(measured, "yes", said=told[1].lower() == "yes")
        met = question.about in self.requirements
        hazard = self.asked(question.side)[question.about]
        found = (told[1].lower() == "yes") is not met
        return Opinion({hazard: 1 - yes if met else yes}, {hazard: question.about} if found else {})
