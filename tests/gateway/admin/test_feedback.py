"""What users, operators and reviewers say of answers: who may say what of which, and what is kept of it."""

from typing import Any

import pytest

from gateway.feedback.said import Feedback, identity
from gateway.feedback.store import FeedbackStore
from tests.fakes.guards import REFUSED


def asked(house: Any, text: str, *answers: str, role: str = "application", **more: Any) -> str:
    """One request whose candidates say these; the exchange's id, once it is in the ledger."""
    house.engine.says(*answers)
    body = {"model": "assistant", "messages": [{"role": "user", "content": text}], **more}
    with house.http(role) as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    exchange = answer.headers["x-trimtab-exchange"]
    house.server.call(lambda: None)
    with house.http("admin") as client:
        for _ in range(200):
            if client.get(f"/admin/exchanges/{exchange}").status_code == 200:
                return exchange
    raise AssertionError("the exchange never came")


def rated(house: Any, role: str = "application", **told: Any) -> Any:
    with house.http(role) as client:
        return client.post("/v1/feedback", json=told)


def said(house: Any, role: str = "operator", **told: Any) -> Any:
    with house.http(role) as client:
        return client.post("/admin/feedback", json=told)


def kept(house: Any, exchange: str) -> list[dict[str, Any]]:
    with house.http("operator") as client:
        return client.get("/admin/feedback", params={"exchange": exchange}).json()["data"]


def test_an_application_rates_what_it_was_answered(house: Any) -> None:
    exchange = asked(house, "Hello?", "Hi.", user="ada")
    assert rated(house, exchange=exchange, rating="up").status_code == 201
    (found,) = kept(house, exchange)
    assert (found["kind"], found["value"], found["subject"]) == ("thumb", 1.0, "ada")


def test_an_answer_may_be_rated_the_moment_it_came(house: Any) -> None:
    house.engine.says("Hi.")
    body = {"model": "assistant", "messages": [{"role": "user", "content": "At once?"}]}
    with house.http("application") as client:
        exchange = client.post("/v1/chat/completions", json=body).headers["x-trimtab-exchange"]
    assert rated(house, exchange=exchange, rating="up").status_code == 201


@pytest.mark.parametrize("kind", ["chatcmpl-", "cmpl-", "msg_", "resp_"])
def test_an_answers_own_id_names_its_exchange(house: Any, kind: str) -> None:
    exchange = asked(house, f"And {kind}?", "Hi.")
    told = rated(house, exchange=f"{kind}{exchange}", rating="up")
    assert (told.status_code, told.json()["exchange"]) == (201, exchange)
    assert said(house, exchange=f"{kind}{exchange}", kind="edit", text="Hello.").status_code == 201


def test_a_second_thumb_replaces_the_first(house: Any) -> None:
    exchange = asked(house, "Hello again?", "Hi.")
    for rating in ("up", "down"):
        rated(house, exchange=exchange, rating=rating)
    assert [each["value"] for each in kept(house, exchange)] == [-1.0]


def test_a_thumb_on_what_was_delivered_is_one_on_its_position(house: Any) -> None:
    exchange = asked(house, "And again?", "Hi.")
    rated(house, exchange=exchange, rating="up")
    rated(house, exchange=exchange, rating="down", candidate=0)
    assert [(each["candidate"], each["value"]) for each in kept(house, exchange)] == [(0, -1.0)]


async def said_before_an_upgrade(house: Any, exchange: str, kind: Any, *places: None, **told: Any) -> None:
    """The same key's word as older code kept it: without the position of what was delivered."""
    (found,) = kept(house, exchange)
    name = identity(exchange, kind, found["key_id"], *places)
    word = Feedback(name, exchange, kind, found["key_id"], found["role"], **told)
    await FeedbackStore(house.tools.ledger.database).keep(word, noted=False)


async def test_a_thumb_replaces_one_from_before_an_upgrade(house: Any) -> None:
    exchange = asked(house, "Rated before?", "Hi.")
    rated(house, exchange=exchange, rating="up")
    await said_before_an_upgrade(house, exchange, "thumb", None, value=1.0)
    rated(house, exchange=exchange, rating="down")
    assert [each["value"] for each in kept(house, exchange)] == [-1.0]


async def test_an_edit_replaces_one_from_before_an_upgrade(house: Any) -> None:
    exchange = asked(house, "Edited before?", "Hi.")
    said(house, exchange=exchange, kind="edit", text="Hello.")
    await said_before_an_upgrade(house, exchange, "edit", None, None, text="Hey.")
    said(house, exchange=exchange, kind="edit", text="Good day.")
    assert [each["text"] for each in kept(house, exchange)] == ["Good day."]


async def test_an_edit_of_another_candidate_replaces_none_of_the_delivered_one(house: Any) -> None:
    exchange = asked(house, "Edited elsewhere?", "One.", "Two.", n=2)
    said(house, exchange=exchange, kind="edit", text="Hello.", candidate=1)
    await said_before_an_upgrade(house, exchange, "edit", None, None, text="Hey.")
    said(house, exchange=exchange, kind="edit", text="Good day.", candidate=1)
    assert {each["text"] for each in kept(house, exchange)} == {"Hey.", "Good day."}


def test_anothers_exchange_is_as_good_as_none(house: Any) -> None:
    exchange = asked(house, "Mine?", "Hi.", role="admin")
    theirs, nobodys = rated(house, exchange=exchange, rating="up"), rated(house, exchange="x", rating="up")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() == nobodys.json()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"rating": "great"}, "rating"), ({"candidate": 9}, "candidate"), ({"stars": 5}, "stars")],
)
def test_what_cannot_be_is_refused_by_its_name(house: Any, wrong: dict[str, Any], field: str) -> None:
    exchange = asked(house, "Once more?", "Hi.")
    answer = rated(house, **{"exchange": exchange, "rating": "up", **wrong})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field


def test_an_edit_is_kept_with_its_text_and_noted_without_it(house: Any) -> None:
    exchange = asked(house, "Edit me?", "Badly said.")
    assert said(house, exchange=exchange, kind="edit", text="Well said.").status_code == 201
    assert [each["text"] for each in kept(house, exchange)] == ["Well said."]
    with house.http("viewer") as client:
        trail = client.get("/admin/transitions", params={"kind": "feedback", "subject": exchange})
        hidden = client.get("/admin/feedback", params={"exchange": exchange}).json()["data"][0]
    assert "Well said" not in trail.text
    assert len(trail.json()["data"]) == 1
    assert "text" not in hidden


def test_an_edit_that_guards_withhold_is_refused(house: Any) -> None:
    exchange = asked(house, "Worse?", "Fine.")
    answer = said(house, exchange=exchange, kind="edit", text=f"A {REFUSED} answer.")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "text")
    assert said(house, exchange=exchange, kind="edit", text=f"A {REFUSED}.", force=True).status_code == 403
    forced = said(house, "admin", exchange=exchange, kind="edit", text=f"A {REFUSED}.", force=True)
    assert forced.status_code == 201


def test_only_what_was_withheld_can_be_overturned(house: Any) -> None:
    fine, held = asked(house, "Fine?", "Yes."), asked(house, "Held?", f"A {REFUSED} answer.")
    assert said(house, exchange=fine, kind="overturn", candidate=0).status_code == 400
    assert said(house, exchange=held, kind="overturn").json()["error"]["param"] == "candidate"
    assert said(house, exchange=held, kind="overturn", candidate=0).status_code == 201


def test_a_comparison_names_two_candidates(house: Any) -> None:
    exchange = asked(house, "Which?", "One.", "Two.", n=2)
    assert said(house, exchange=exchange, kind="comparison", candidate=1).status_code == 400
    assert said(house, exchange=exchange, kind="comparison", candidate=1, other=0).status_code == 201
    (found,) = kept(house, exchange)
    assert (found["candidate"], found["other"]) == (1, 0)


def test_feedback_can_be_taken_back(house: Any) -> None:
    exchange = asked(house, "Back?", "Yes.")
    name = said(house, exchange=exchange, kind="edit", text="No.").json()["id"]
    with house.http("operator") as client:
        assert client.delete(f"/admin/feedback/{name}").status_code == 200
        assert client.delete(f"/admin/feedback/{name}").status_code == 404
    assert kept(house, exchange) == []


def test_pages_come_newest_first_and_each_word_once(house: Any) -> None:
    exchange = asked(house, "Pages?", "One.", "Two.", "Three.", n=3)
    for place in range(3):
        rated(house, exchange=exchange, rating="up", candidate=place)
    seen, cursor = [], None
    with house.http("viewer") as client:
        while True:
            asked_for = {"exchange": exchange, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = client.get("/admin/feedback", params=asked_for).json()
            seen += [each["candidate"] for each in page["data"]]
            cursor = page["cursor"]
            if cursor is None:
                break
    assert seen == [2, 1, 0]


def test_a_key_may_say_that_nothing_is_learnt_from_it(house: Any) -> None:
    with house.http("admin") as client:
        made = client.post("/admin/keys", json={"name": "shy", "learn": False}).json()
        assert made["learn"] is False
        again = client.request("PATCH", f"/admin/keys/{made['id']}", json={"learn": True}).json()
    assert again["learn"] is True
