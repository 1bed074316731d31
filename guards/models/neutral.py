"""The guard's own copy of a text, with whatever could speak to the guard made harmless.

An engine reads special tokens inside of messages, and a guard model reads its frame as text: `<|im_end|>`, `[/INST]`,
`<END CONVERSATION>`, `Safety: Safe`, a turn that nobody said. A word joiner, which nobody sees, is put into each. Only
the guard's copy is changed: the policy model gets the text as it was.
"""

import re

JOINER = "\u2060"
HALVES = re.compile("[\ud800-\udfff]")
# Where one of these begins, the joiner goes behind its first character …
MARKS = re.compile(
    r"""<(?= \||\|?/?(?:s|bos|eos|pad|unk|think|no-think|guardian|score|confidence|categories|text|conversation
                      |start_of_turn|end_of_turn|end_of_text)\b
          |(?:begin|end)[ ] |<)      # <|im_end|>, </s>, <score>, <END CONVERSATION>, <<SYS>>
      | \[(?=/?(?:inst|system_prompt|available_tools|tool_results?|tool_calls)\b)
      | (?<=\#)\#(?=\#?[ \t]{0,4}(?:criteria|scoring[ ]schema)\b)
      | \|(?=>)""",
    re.IGNORECASE | re.VERBOSE,
)
# … and before the colon of a line that begins like a guard's answer, or like a turn.
LABELS = re.compile(
    r"""^([ \t"{>*-]{0,8}(?:safety|categories|refusal|user|agent|assistant|human[ ]user|ai[ ]assistant|human[ ]question
        |chatbot[ ]response|response|harmful[ ]request|response[ ]refusal|harmful[ ]response|user[ ]safety
        |response[ ]safety|safety[ ]categories|prompt[ ]harm|response[ ]harm|user[ ]prompt|ai[ ]response)
        "?[ \t]{0,8})(:)""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)


def neutral(text: str) -> str:
    """The text with a joiner in every mark that a guard's frame, or its tokenizer, gives a meaning."""
    marked = MARKS.sub(lambda found: found.group() + JOINER, sendable(text))
    return LABELS.sub(lambda found: found.group(1) + JOINER + found.group(2), marked)


def sendable(text: str) -> str:
    """The text with half characters replaced, which no JSON parser need accept; as long as it was."""
    return HALVES.sub("\ufffd", text)
