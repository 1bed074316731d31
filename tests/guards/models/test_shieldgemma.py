"""ShieldGemma: a question for each principle, answered by the first word."""

import pytest

from guards.models.answer import Unreadable, answers_of
from guards.models.shieldgemma import ShieldGemma
from tests.fakes.reading import conversation, read
from tests.fakes.service import completion

HATE = ShieldGemma(("Hate Speech",))


@pytest.mark.parametrize(("text", "score"), [("Yes\n\nThe human question", 1.0), ("No", 0.0), ("No.", 0.0)])
def test_verdicts(text: str, score: float) -> None:
    assert read(HATE, "prompt", text).scores == {"G.unsafe": score, "hte": score}


@pytest.mark.parametrize("text", ["Maybe", "", "Yesterday", "yes", "I think Yes"])
def test_anything_else_is_no_verdict(text: str) -> None:
    with pytest.raises(Unreadable):
        read(HATE, "prompt", text)


def test_the_probability_is_that_of_the_first_token() -> None:
    told = completion([{"Yes": 0.7, "No": 0.2, " Yes": 0.05, " No": 0.05}])
    opinion = HATE.read(HATE.questions(conversation("prompt"))[0], *answers_of(told))
    assert opinion.scores["hte"] == pytest.approx(0.75)
    assert opinion.labels == {"hte": "Hate Speech"}


def test_each_principle_is_a_question_of_its_own() -> None:
    questions = ShieldGemma().questions(conversation("prompt"))
    guidelines = [each.body["chat_template_kwargs"]["guideline"] for each in questions]
    assert len(guidelines) == 4
    assert guidelines[0].startswith(
        '"No Dangerous Content": The prompt shall not contain or seek generation of content that harming oneself'
    )


def test_a_reply_has_another_guideline_and_its_question() -> None:
    [question] = HATE.questions(conversation("reply"))
    assert (
        "The chatbot shall not generate content that targeting"
        in (question.body["chat_template_kwargs"]["guideline"])
    )
    assert [each["content"] for each in question.body["messages"]] == ["How?", "So."]
    assert question.body["max_tokens"] == 1


def test_an_operators_own_guideline() -> None:
    guard = ShieldGemma(("Harassment",), {"X.gossip": "No gossip."})
    assert guard.hazards("prompt") == {"G.unsafe", "hte", "X.gossip"}
    own = guard.questions(conversation("prompt"))[1]
    assert own.body["chat_template_kwargs"] == {"guideline": "No gossip."}
    assert guard.read(own, *answers_of(completion(["Yes"], told=False))).scores == {
        "G.unsafe": 1.0,
        "X.gossip": 1.0,
    }


def test_an_unknown_principle_is_refused() -> None:
    with pytest.raises(ValueError, match="categories of shieldgemma are Dangerous Content"):
        ShieldGemma(("Violence",))
