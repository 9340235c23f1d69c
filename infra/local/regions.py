#!/usr/bin/env python3
"""regions.py REGIONS TEMPLATE...   Runs cfn-lint on the templates for each region of the list.

cfn-lint takes ten seconds for a region. What it knows of a region is a schema for each type of resource, so regions whose schemas of all
types of a template are the same have the same findings, and one of them is linted for all. infra/mail.yaml and infra/budget.yaml are for
the regions that are marked by mail and budget; in the others they have to be refused, else the mark is missing.
"""
import collections
import json
import pathlib
import subprocess
import sys

from cfnlint.decode import decode
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError
from cfnlint.template import Template

MARKS = {"infra/mail.yaml": "mail", "infra/budget.yaml": "budget"}


def main(listed: str, *templates: str) -> int:
    lines = [line.split() for line in pathlib.Path(listed).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    regions, marks = [line[0] for line in lines], {line[0]: line[1:] for line in lines}
    found = []
    for template in templates:
        types, mark = types_of(template), MARKS.get(template)
        alike = collections.defaultdict(list)
        for region in regions:
            alike[tuple(schema(region, t) for t in types)].append(region)
        for schemas, group in alike.items():
            where = [region for region in group if mark is None or mark in marks[region]]
            if where and (said := lint(where[0], template)):
                found.append(f"{template} in {', '.join(where)}:\n{said}")
            if mark and "" not in schemas:
                found += [f"{listed}: {region} has what {template} needs: add {mark}" for region in group if region not in where]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def lint(region: str, template: str) -> str:
    command = [str(pathlib.Path(sys.executable).parent / "cfn-lint"), "--regions", region, "--", template]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def types_of(template: str) -> list[str]:
    """The types of a template's resources, those that SAM makes among them."""
    text, problems = decode(template)
    whole = Template(template, text, ["us-east-1"])
    problems = [*problems, *whole.transform()]
    if problems:
        raise SystemExit(f"{template}: {problems}")
    return sorted({r["Type"] for r in whole.get_resources().values()})


def schema(region: str, kind: str) -> str:
    try:
        return json.dumps(PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, kind).schema, sort_keys=True)
    except ResourceNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
