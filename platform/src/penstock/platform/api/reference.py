"""The API's reference page: the OpenAPI file written as HTML here, with nothing from elsewhere."""

from typing import Any

_MODES = {
    "public": "public",
    "client": "client secret",
    "session": "session",
    "signed-in": "any login",
    "scope": "any token",
}


def reference(spec: dict[str, Any]) -> dict[str, Any]:
    """Turn the file into what docs.html shows: groups of operations, and schemas."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_operation(path, method, operation))
    schemas = [_schema(name, schema) for name, schema in sorted(spec["components"]["schemas"].items())]
    ordered = [{"name": name, "operations": groups[name]} for name in sorted(groups)]
    return {"info": spec["info"], "groups": ordered, "schemas": schemas}


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    guard = operation["x-penstock-guard"]
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("description") or operation.get("summary", ""),
        "scope": " or ".join(guard["scopes"]) or _MODES.get(guard["mode"], guard["mode"]),
        "parameters": [_parameter(parameter) for parameter in operation.get("parameters", [])],
        "bodies": [{"media": media, "model": _model(content.get("schema", {}))} for media, content in bodies.items()],
        "answers": [_answer(status, answer) for status, answer in sorted(operation["responses"].items())],
    }


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": parameter["name"],
        "place": parameter["in"],
        "required": parameter.get("required", False),
        "type": _type(parameter.get("schema", {})),
        "description": parameter.get("description", ""),
    }


def _answer(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    models = [_model(content.get("schema", {})) for content in answer.get("content", {}).values()]
    return {"status": status, "model": next(filter(None, models), "")}


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    fields = [
        {"name": key, "required": key in required, "type": _type(value), "description": value.get("description", "")}
        for key, value in schema.get("properties", {}).items()
    ]
    return {"name": name, "description": schema.get("description", ""), "fields": fields}


def _model(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _model(schema)
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    return str(schema.get("type", "any"))
