"""What holds for every kind that asks a service, or runs a model."""

import pytest

from guards.kinds import installed_kinds

KINDS = ("guard_model", "judge", "openai_moderation", "webhook", "fms_detector", "encoder")


@pytest.mark.parametrize("name", KINDS)
def test_an_editor_can_complete_its_config(name: str) -> None:
    schema = installed_kinds()[name].config.model_json_schema()
    assert schema["additionalProperties"] is False
    own = schema["properties"]
    assert ("service" if name != "encoder" else "model") in own


@pytest.mark.parametrize("name", KINDS[:-1])
def test_a_services_place_in_the_schema_is_a_name(name: str) -> None:
    schema = installed_kinds()[name].config.model_json_schema()
    assert schema["properties"]["service"]["type"] == "string"
