"""Writes schema.json: the JSON Schema of the OCSF classes that the export uses.

Usage: pip install ocsf-json-schema==1.2.0 && python3 schema.py > schema.json

The package carries the schema of OCSF 1.8.0 as its server exports it, and makes
JSON Schema of it. Here the classes are put into one document, in which each
object stands once.
"""

import json

from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

CLASSES = [
    "base_event",
    "event_log_actvity",
    "detection_finding",
    "entity_management",
    "application_lifecycle",
    "api_activity",
    "application_error",
]


def main():
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
    definitions, classes = {}, {}
    for name in CLASSES:
        schema = schemas.get_class_schema(name, ["security_control"])
        definitions.update(schema.pop("$defs"))
        del schema["$id"], schema["$schema"]
        uid = str(schema["properties"]["class_uid"]["const"])
        classes[uid] = schema
    rows = ['"$schema": "https://json-schema.org/draft/2020-12/schema"']
    rows.append(table("classes", classes))
    rows.append(table("$defs", definitions))
    print("{\n" + ",\n".join(rows) + "\n}")


def table(name, schemas):
    lines = (f"  {json.dumps(key)}: {json.dumps(schemas[key], sort_keys=True, ensure_ascii=False)}" for key in sorted(schemas))
    return f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    main()
