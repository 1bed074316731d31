"""Keys, made and revoked over HTTP."""

import pytest

from tests.fakes.gateway import until


def made(house, **told):
    with house.http() as client:
        return client.post("/admin/keys", json=told)


def works(house, secret):
    with house.http(None) as client:
        headers = {"authorization": f"Bearer {secret}"}
        return client.get("/v1/models", headers=headers).status_code == 200


def test_a_new_key_works_within_a_second_and_a_revoked_one_no_longer(house):
    answer = made(house, name="shop")
    key = answer.json()
    assert (answer.status_code, key["role"]) == (201, "application")
    assert until(lambda: works(house, key["key"]))
    with house.http() as client:
        assert client.delete(f"/admin/keys/{key['id']}").json()["revoked_at"]
    assert until(lambda: not works(house, key["key"]))


def test_a_secret_is_shown_when_it_is_made_and_never_again(house):
    key = made(house, name="once", role="viewer").json()
    with house.http() as client:
        listed = client.get("/admin/keys")
    assert key["id"] in listed.text
    assert key["key"] not in listed.text
    assert key["key"].endswith(key["hint"])


def test_a_key_that_never_was_cannot_be_revoked(house):
    with house.http() as client:
        assert client.delete("/admin/keys/key-0").status_code == 404


@pytest.mark.parametrize("moment", [4, 1e12, "4", "tomorrow", "2030-01-01T00:00:00"])
def test_a_time_is_told_with_its_offset_and_never_as_a_number(house, moment):
    answer = made(house, name="odd", role="viewer", expires_at=moment)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expires_at")
