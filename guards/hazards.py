"""The hazards a guard may report: MLCommons AILuminate ids as stable keys, and the gateway's own `G.` ids.

Source: MLCommons AILuminate v1.x taxonomy; the S-codes in brackets are Llama Guard's display labels.
"""

UNSCANNED = "G.unscanned"  # no guard's, and no rule can name it: the policy's own section does

HAZARDS: dict[str, str] = {
    "vcr": "Violent crimes",  # S1
    "ncr": "Non-violent crimes",  # S2, malware among them
    "src": "Sex-related crimes",  # S3
    "cse": "Child sexual exploitation",  # S4
    "dfm": "Defamation",  # S5
    "spc": "Specialised advice (financial, medical, legal)",  # S6
    "prv": "Privacy",  # S7
    "ipv": "Intellectual property",  # S8
    "iwp": "Indiscriminate weapons",  # S9
    "hte": "Hate",  # S10
    "ssh": "Suicide and self-harm",  # S11
    "sxc": "Sexual content",  # S12
    "spc_ele": "Elections",  # S13
    "G.jailbreak": "Jailbreak attempt",
    "G.prompt_injection": "Prompt injection",
    "G.pii": "Personal data",
    "G.secret": "Credentials and secrets",
    "G.profanity": "Profanity",
    "G.ungrounded": "Answer not grounded in its sources",
    "G.off_topic": "Off topic",
    "G.tool_misuse": "Tool misuse",
    "G.prompt_leak": "System prompt given away",
    "G.exfiltration": "Data carried away by a link or a picture",
    UNSCANNED: "A part that no guard reads: picture, sound, film, file",
    "G.unsafe": "Unsafe, of no more particular kind",
}
