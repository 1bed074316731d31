"""Guard models' own categories as our hazards: the whole of the translation, in one place, and pure.

Where a category has no hazard that says the same, or takes several of ours at once, it is `G.unsafe` and no more: a
policy must not refuse in the name of a hazard that the model never thought of. What a policy's verdicts rest on is
known by VERSION: count it up with every change.
"""

from collections.abc import Mapping

VERSION = 1
UNSAFE = "G.unsafe"

LLAMA_GUARD: Mapping[str, str] = {
    "S1": "vcr",
    "S2": "ncr",
    "S3": "src",
    "S4": "cse",
    "S5": "dfm",
    "S6": "spc",
    "S7": "prv",
    "S8": "ipv",
    "S9": "iwp",
    "S10": "hte",
    "S11": "ssh",
    "S12": "sxc",
    "S13": "spc_ele",
    "S14": "G.tool_misuse",  # abuse of a code interpreter
}
QWEN3GUARD: Mapping[str, str] = {
    "Violent": "vcr",  # weapons of every kind among it
    "Non-violent Illegal Acts": "ncr",
    "Sexual Content or Sexual Acts": "sxc",  # crimes and children among it
    "PII": "prv",
    "Suicide & Self-Harm": "ssh",
    "Unethical Acts": UNSAFE,  # defamation, hate, insults and more
    "Politically Sensitive Topics": "spc_ele",
    "Copyright Violation": "ipv",
    "Jailbreak": "G.jailbreak",
}
NEMOGUARD: Mapping[str, str] = {
    "Violence": "vcr",
    "Sexual": "sxc",
    "Criminal Planning/Confessions": "ncr",
    "Guns and Illegal Weapons": "ncr",  # not those of mass destruction, which are all that `iwp` means
    "Controlled/Regulated Substances": "ncr",
    "Suicide and Self Harm": "ssh",
    "Sexual (minor)": "cse",
    "Hate/Identity Hate": "hte",
    "PII/Privacy": "prv",
    "Harassment": "hte",
    "Threat": "vcr",
    "Profanity": "G.profanity",
    "Needs Caution": UNSAFE,
    "Other": UNSAFE,
    "Manipulation": UNSAFE,
    "Fraud/Deception": "ncr",
    "Malware": "ncr",
    "High Risk Gov Decision Making": UNSAFE,
    "Political/Misinformation/Conspiracy": UNSAFE,
    "Copyright/Trademark/Plagiarism": "ipv",
    "Unauthorized Advice": "spc",
    "Illegal Activity": "ncr",
    "Immoral/Unethical": UNSAFE,
}
SHIELDGEMMA: Mapping[str, str] = {
    "Dangerous Content": UNSAFE,  # violence, weapons and suicide at once
    "Hate Speech": "hte",
    "Sexually Explicit Information": "sxc",
    "Harassment": "hte",
}
GRANITE: Mapping[str, str] = {
    "harm": UNSAFE,
    "social_bias": "hte",
    "profanity": "G.profanity",
    "unethical_behavior": UNSAFE,
    "violence": "vcr",
    "sexual_content": "sxc",
    "jailbreak": "G.jailbreak",
    "harm_engagement": "X.harm_engagement",
    "evasiveness": "X.evasiveness",
    "answer_relevance": "X.answer_relevance",
}
OPENAI: Mapping[str, str] = {
    "harassment": "hte",
    "harassment/threatening": "vcr",
    "hate": "hte",
    "hate/threatening": "hte",
    "illicit": "ncr",
    "illicit/violent": "vcr",
    "self-harm": "ssh",
    "self-harm/intent": "ssh",
    "self-harm/instructions": "ssh",
    "sexual": "sxc",
    "sexual/minors": "cse",
    "violence": "vcr",
    "violence/graphic": "vcr",
}


def found(names: Mapping[str, str], probability: float) -> dict[str, float]:
    """Scores for hazards that a model named, and for the text as a whole."""
    return {UNSAFE: probability} | dict.fromkeys(names, probability)
