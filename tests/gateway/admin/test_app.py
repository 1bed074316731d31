"""Who may do what: every route that there is, asked with every kind of key."""

import pytest
from fastapi.routing import APIRoute

from gateway.admin.app import admin_routes

OPEN = {("GET", "/metrics")}
ADMINS_OWN = {
    ("POST", "/admin/versions"),
    ("POST", "/admin/versions/{version}/stage"),
    ("POST", "/admin/versions/{version}/retire"),
    ("POST", "/admin/rollouts"),
    ("POST", "/admin/rollback"),
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys"),
    ("DELETE", "/admin/keys/{key_id}"),
    ("POST", "/admin/engines/{name}/drain"),
    ("POST", "/admin/engines/{name}/resume"),
    ("POST", "/admin/engines/{name}/lend"),
    ("POST", "/admin/engines/{name}/return"),
    ("PATCH", "/admin/keys/{key_id}"),
    ("POST", "/admin/keys/{key_id}/rotate"),
    ("GET", "/admin/erasures"),
    ("POST", "/admin/erasures"),
}
OPERATORS_TOO = {
    ("POST", "/admin/policy"),
    ("POST", "/admin/policies"),
    ("POST", "/admin/policies/choose"),
    ("POST", "/admin/policies/clear/{place}"),
    ("POST", "/admin/feedback"),
    ("DELETE", "/admin/feedback/{feedback}"),
}


def routes(house):
    app = house.server.call(lambda: admin_routes(house.tools))
    found = {(method, route.path) for route in every(app.routes) for method in route.methods}
    assert len(found) > 12
    return found


def every(routes):
    """The routes of an app and of the routers in it; what is neither fails, for nobody asked it for a key."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from every(route.original_router.routes)


def closed(house, role):
    """The routes that a role's key may not use."""
    with house.http(role) as client:
        return {
            r for r in routes(house) if client.request(r[0], r[1].strip("{}"), json={}).status_code == 403
        }


def test_no_route_is_open_without_a_key(house):
    with house.http(None) as client:
        for method, path in routes(house) - OPEN:
            answer = client.request(method, path, json={})
            assert (path, answer.status_code) == (path, 401)
            assert answer.json()["error"]["code"] == "invalid_api_key"


def test_an_applications_key_opens_none(house):
    assert closed(house, "application") == routes(house) - OPEN


def test_a_viewer_changes_nothing(house):
    assert closed(house, "viewer") == ADMINS_OWN | OPERATORS_TOO


def test_an_operator_tunes_and_does_not_move_traffic(house):
    assert closed(house, "operator") == ADMINS_OWN


@pytest.mark.parametrize("secret", ["", "Bearer", "Bearer sk-tt-x'--", "Basic abc", "Bearer a b"])
def test_a_forged_key_is_nobodys(house, secret):
    with house.http(None) as client:
        answer = client.get("/admin/versions", headers={"authorization": secret})
    assert answer.status_code == 401


def test_the_schemes_case_does_not_matter(house):
    with house.http(None) as client:
        answer = client.get("/admin/versions", headers={"authorization": f"bearer {house.keys['viewer']}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["//admin/keys", "/admin/%6beys", "/ADMIN/keys", "/admin/keys/", "/metrics/../admin/keys"]
)
def test_no_spelling_of_a_path_goes_round_the_key(house, path):
    with house.http(None) as client:
        assert client.get(path).status_code in {401, 404}


def test_metrics_need_no_key(house):
    with house.http(None) as client:
        assert "trimtab_version_weight" in client.get("/metrics").text


def test_health_tells_of_every_part(house):
    with house.http("viewer") as client:
        answer = client.get("/admin/health")
    told = answer.json()
    assert (answer.status_code, told["status"], told["dead"]) == (200, "ok", [])
    assert (told["engines"], told["reward"], told["ledger"]["writer_alive"]) == ({"fake": True}, None, True)


def test_everything_that_must_stay_alive_is_watched(house):
    assert house.tools.vital.keys() == {
        *(
            "engine health",
            "ledger writer",
            "ledger metrics",
            "ledger follower",
            "reclaimer",
            "weights keeper",
            "loans of engines",
            "keyring",
            "response expiry",
            "budgets",
            "shadow policy",
            "shadow version",
            "outcome writer",
        ),
    }


def test_health_turns_red_with_a_dead_task(house):
    house.tools.vital["something"] = lambda: False
    with house.http("viewer") as client:
        answer = client.get("/admin/health")
    del house.tools.vital["something"]
    assert (answer.status_code, answer.json()["status"], answer.json()["dead"]) == (
        503,
        "broken",
        ["something"],
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/admin/rollouts", {"alias": "assistant"}, "weights"),
        ("POST", "/admin/rollouts", {"alias": "assistant", "weights": {}, "cause": "x", "mood": 1}, "mood"),
        ("POST", "/admin/keys", {"name": "x", "role": "emperor"}, "role"),
        ("GET", "/admin/exchanges?limit=100000", None, "limit"),
        ("GET", "/admin/exchanges?cursor=99999999999999999999999", None, "cursor"),
        ("GET", "/admin/exchanges?cursor=-1", None, "cursor"),
        ("GET", "/admin/exchanges?colour=red", None, "colour"),
    ],
)
def test_a_request_that_is_not_understood_names_the_field(house, method, path, body, field):
    with house.http() as client:
        answer = client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


def test_an_unknown_field_is_told_with_those_that_are_known(house):
    body = {"name": "x", "limits": {"requests_per_hour": 5}}
    with house.http() as client:
        message = client.post("/admin/keys", json=body).json()["error"]["message"]
    assert message.startswith("limits.requests_per_hour: is no field here; the fields here are requests_per_")


def test_what_is_not_there_is_told_in_the_same_shape(house):
    with house.http() as client:
        answers = [
            client.get("/admin/nothing"),
            client.get("/admin/exchanges/x"),
            client.put("/admin/versions"),
        ]
    assert [answer.status_code for answer in answers] == [404, 404, 405]
    assert all(answer.json()["error"]["message"] for answer in answers)
