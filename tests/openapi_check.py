#!/usr/bin/env python3
"""Checks an OpenAPI 3.1 description with the standard library only.

Every $ref resolves, operationIds are unique, path parameters and templates agree, every error is a
problem document, and every example fits its schema. Usage: openapi_check.py FILE
"""

import json
import re
import sys

METHODS = {"get", "put", "post", "delete"}
findings = []


def complain(where, what):
    findings.append(f"{where}: {what}")


def no_repeats(pairs):
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            complain("document", f"the name {name} is repeated in one object")
    return dict(pairs)


def resolve(document, node):
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def check_refs(document, node, where):
    if isinstance(node, list):
        for index, child in enumerate(node):
            check_refs(document, child, f"{where}/{index}")
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        try:
            resolve(document, node)
        except (KeyError, TypeError):
            complain(where, f"{node['$ref']} does not resolve")
    for name, child in node.items():
        check_refs(document, child, f"{where}/{name}")


TYPES = {
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "null": lambda v: v is None,
}


def misfits(document, schema, value, where):
    """What is wrong with `value`, for the part of JSON Schema that the description uses."""
    schema = resolve(document, schema)
    if "oneOf" in schema:
        fitting = [s for s in schema["oneOf"] if not misfits(document, s, value, where)]
        if len(fitting) != 1:
            return [f"{where}: fits {len(fitting)} of the alternatives"]
    wrong = []
    if "type" in schema and not TYPES[schema["type"]](value):
        return [f"{where}: is not of type {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{where}: is not in the list")
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            wrong.append(f"{where}: has a wrong length")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            wrong.append(f"{where}: does not fit its pattern")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            wrong.append(f"{where}: is out of range")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            wrong.append(f"{where}: has a wrong number of items")
        for index, item in enumerate(value):
            wrong += misfits(document, schema.get("items", {}), item, f"{where}/{index}")
    if isinstance(value, dict):
        wrong += misfits_of_object(document, schema, value, where)
    return wrong


def misfits_of_object(document, schema, value, where):
    wrong = [f"{where}: lacks {name}" for name in schema.get("required", []) if name not in value]
    if len(value) < schema.get("minProperties", 0):
        wrong.append(f"{where}: has too few members")
    others = schema.get("additionalProperties", True)
    for name, member in value.items():
        if name in schema.get("properties", {}):
            wrong += misfits(document, schema["properties"][name], member, f"{where}/{name}")
        elif others is False:
            wrong.append(f"{where}: {name} is not described")
        elif isinstance(others, dict):
            wrong += misfits(document, others, member, f"{where}/{name}")
    return wrong


def check_examples(document, schemas, where):
    for name, schema in schemas.items():
        for example in schema.get("examples", []):
            findings.extend(misfits(document, schema, example, f"{where}/{name}"))


def check_schema_words(document, node, where):
    """A required member must be described, or no request could be valid."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            check_schema_words(document, child, f"{where}/{index}")
    if not isinstance(node, dict):
        return
    if node.get("type") == "object" and isinstance(node.get("required"), list):
        for name in node["required"]:
            if name not in node.get("properties", {}):
                complain(where, f"requires {name} without describing it")
    for name, child in node.items():
        check_schema_words(document, child, f"{where}/{name}")


def check_operation(document, path, method, operation):
    where = f"{method.upper()} {path}"
    for word in ("operationId", "summary", "tags", "responses"):
        if not operation.get(word):
            complain(where, f"has no {word}")
    parameters = [resolve(document, p) for p in operation.get("parameters", [])]
    described = {p["name"] for p in parameters if p["in"] == "path"}
    if described != set(re.findall(r"{([^}]*)}", path)):
        complain(where, "path parameters and template differ")
    for parameter in parameters:
        if parameter["in"] == "path" and not parameter.get("required"):
            complain(where, f"path parameter {parameter['name']} must be required")
        if "example" in parameter:
            findings.extend(misfits(document, parameter["schema"], parameter["example"],
                                    f"{where} {parameter['name']}"))
    if method in ("get", "delete") and "requestBody" in operation:
        complain(where, "has a request body")
    if not any(status.startswith("2") for status in operation["responses"]):
        complain(where, "never succeeds")
    for status, response in operation["responses"].items():
        content = resolve(document, response).get("content", {})
        if status[0] in "45" and list(content) != ["application/problem+json"]:
            complain(where, f"{status} is no problem document")
    is_open = operation.get("security") == []
    if is_open == bool(operation.get("x-oubliette-roles")):
        complain(where, "must be open or name its roles")
    if not is_open and not {"401", "403"} <= set(operation["responses"]):
        complain(where, "needs a credential and must describe 401 and 403")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file, object_pairs_hook=no_repeats)
    if not document["openapi"].startswith("3.1."):
        complain("document", "is not OpenAPI 3.1")
    check_refs(document, document, "#")
    if findings:
        return
    check_schema_words(document, document["components"]["schemas"], "schemas")
    check_examples(document, document["components"]["schemas"], "schemas")
    seen = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method not in METHODS:
                complain(path, f"{method} is not a method of ours")
                continue
            name = operation.get("operationId")
            if name in seen:
                complain(path, f"operationId {name} is also at {seen[name]}")
            seen[name] = path
            check_operation(document, path, method, operation)
    text = json.dumps(document["paths"]) + json.dumps(document["components"])
    for kind, members in document["components"].items():
        if kind == "securitySchemes":
            continue
        for name in members:
            if f'"#/components/{kind}/{name}"' not in text:
                complain(f"components/{kind}/{name}", "is used nowhere")


if __name__ == "__main__":
    main()
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
