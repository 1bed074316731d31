"""The policy document as JSON Schema, for editors: what may stand where, and what each kind of guard may be told."""

from collections.abc import Mapping
from typing import Any

from guards.kinds import Kind, KindUnavailable
from guards.policy.document import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REF = "#/$defs/{model}"


def schema_of(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The schema of a policy document; the `config` of a guard is that of its kind, where it can be loaded here."""
    schema = Document.model_json_schema(by_alias=True, ref_template=REF)
    definitions = schema["$defs"]
    taken_over(schema, definitions["Rule"])
    rule, choices = definitions["Rule"], []
    rule["properties"]["kind"]["examples"] = sorted(kinds)
    for name in sorted(kinds):
        if (config := config_of(name, kinds)) is not None:
            definitions |= config.pop("$defs", {})
            definitions[f"config of {name}"] = config
            choices.append(choice(name))
    rule["allOf"] = choices
    return {"$schema": DIALECT, **schema, "title": "Trimtab guard policy"}


def taken_over(schema: dict[str, Any], rule: dict[str, Any]) -> None:
    """What is required of a policy may also come from one that it extends."""
    schema["properties"]["extends"]["description"] = (
        "A policy that comes with Trimtab, by its name, or a file beside this one; or a list of such."
    )
    schema["anyOf"] = [
        {"required": ["extends"]},
        {"properties": {"guards": {"items": {"required": rule["required"]}}}},
    ]
    rule["required"] = ["id"]
    response = {"$ref": REF.format(model="Response")}
    several = {"type": "array", "items": response, "minItems": 1}
    rule["properties"]["hazards"]["additionalProperties"] = {"anyOf": [response, several]}
    rule["properties"]["hazards"].pop("minProperties", None)
    schema["$defs"]["Response"].pop("required", None)


def config_of(name: str, kinds: Mapping[str, Kind]) -> dict[str, Any] | None:
    """The schema of a kind's config; None where the kind cannot be loaded."""
    try:
        return kinds[name].config.model_json_schema(by_alias=True, ref_template=REF)
    except KindUnavailable:
        return None


def choice(name: str) -> dict[str, Any]:
    """That the config of this kind has this form."""
    return {
        "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
        "then": {"properties": {"config": {"$ref": REF.format(model=f"config of {name}")}}},
    }
