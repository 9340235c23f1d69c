"""checked.py   Holds commands against the programs that they name, and runs none. Standard input is JSON: a list of lists of words.

It prints a list as long, of what is wrong with each, or nothing. AWS CLI commands are held against the models of AWS's own SDK: the operation, its parameters, and what each
takes. The SAM CLI is asked what options it has, and make what it would do.
"""

import json
import os
import subprocess
import sys
import tomllib

import botocore.session
import click
import samcli.cli.main
from botocore import xform_name
from botocore.validate import ParamValidator
from samcli.yamlhelper import yaml_parse

context = click.Context(samcli.cli.main.cli, obj=True)  # without an object the SAM CLI gives commands without options
session = botocore.session.get_session()

# What every command of the AWS CLI takes.
EVERYWHERE = {"query", "output", "region", "profile", "endpoint-url"}
# Commands that the AWS CLI has besides the operations (https://docs.aws.amazon.com/cli/latest/reference/cloudformation/deploy/).
OWN = {
    ("cloudformation", "deploy"): {
        "template-file", "stack-name", "s3-bucket", "force-upload", "s3-prefix", "kms-key-id", "parameter-overrides", "capabilities",
        "no-execute-changeset", "disable-rollback", "role-arn", "notification-arns", "fail-on-empty-changeset", "tags",
    }
}


class Fault(Exception):
    """What is wrong with a command."""


def options(words):
    """The options of a command, each with its words."""
    found, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            if name in found:
                raise Fault(f"--{name} is given twice")
            found[name] = [value] if value else []
        elif name is None:
            raise Fault(f"{word!r} is of no option")
        else:
            found[name].append(word)
    return found


def shorthand(text):
    """Name=email,Value=a of the AWS CLI."""
    return dict(part.split("=", 1) for part in text.split(","))


def value(shape, words):
    """What the AWS CLI makes of an option's words."""
    if shape.type_name == "list":
        if len(words) == 1 and words[0].startswith("["):
            return json.loads(words[0])
        return [value(shape.member, [word]) for word in words]
    if len(words) != 1:
        raise Fault(f"one word is expected, and not {words}")
    word = words[0]
    if shape.type_name in ("structure", "map"):
        given = json.loads(word) if word.startswith("{") else shorthand(word)
        if shape.type_name == "structure" and not word.startswith("{"):
            given = {name: value(shape.members[name], [text]) for name, text in given.items() if name in shape.members} | {
                name: text for name, text in given.items() if name not in shape.members
            }
        return given
    if shape.type_name in ("integer", "long"):
        return int(word)
    if shape.type_name in ("float", "double"):
        return float(word)
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[word]
    if getattr(shape, "enum", None) and word not in shape.enum:
        raise Fault(f"{word!r} is none of {shape.enum}")
    return word


def parameters(template, pairs):
    """The parameters of a template that a deployment names."""
    with open(template, encoding="utf-8") as file:
        known = yaml_parse(file.read())["Parameters"]
    for pair in pairs:
        name, equals, _ = pair.partition("=")
        if not equals or name not in known:
            raise Fault(f"{template} has no parameter {pair!r}")


def aws(words):
    service, command, *rest = words
    given = options(rest)
    if own := OWN.get((service, command)):
        if unknown := given.keys() - own - EVERYWHERE:
            raise Fault(f"unknown options {sorted(unknown)}")
        parameters(given["template-file"][0], given.get("parameter-overrides", []))
        return
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if command not in operations:
        raise Fault(f"{service} has no operation {command}")
    shape = model.operation_model(operations[command]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    asked = {}
    for name, its in given.items():
        if name in EVERYWHERE:
            continue
        on = name.removeprefix("no-")
        if name in members and (its or shape.members[members[name]].type_name != "boolean"):
            asked[members[name]] = value(shape.members[members[name]], its)
        elif on in members and not its and shape.members[members[on]].type_name == "boolean":
            asked[members[on]] = name == on
        else:
            raise Fault(f"{command} has no option --{name}")
    if (report := ParamValidator().validate(asked, shape)).has_errors():
        raise Fault(report.generate_report())


def sam(words):
    name, *rest = words
    command = samcli.cli.main.cli.get_command(context, name)
    while hasattr(command, "list_commands"):
        name, command, rest = f"{name} {rest[0]}", command.get_command(context, rest[0]), rest[1:]
    if command is None:
        raise Fault(f"there is no sam {name}")
    known = {option.lstrip("-") for p in command.params for option in [*p.opts, *p.secondary_opts]}
    if rest and not rest[0].startswith("--"):
        rest = rest[1:]  # what the command is about
    given = options(rest)
    if unknown := given.keys() - known:
        raise Fault(f"sam {name} has no options {sorted(unknown)}")
    parameters("template.yaml", given.get("parameter-overrides", []))
    with open("samconfig.toml", "rb") as file:
        configured = tomllib.load(file)
    for environment in given.get("config-env", []):
        if environment not in configured:
            raise Fault(f"samconfig.toml has no {environment}")


def make(words):
    plan = subprocess.run(["make", "--dry-run", *words], capture_output=True, text=True, check=False)
    if plan.returncode != 0:
        raise Fault(plan.stderr.strip())


def script(words):
    if not os.access(words[0], os.X_OK):
        raise Fault(f"{words[0]} is no program")


def deploy(words):
    script(["infra/local/deploy.sh"])
    parameters("template.yaml", words[2:])


PROGRAMS = {"aws": aws, "sam": sam, "bin/sam": sam, "make": make, "bash": script, "infra/local/deploy.sh": deploy}


def main():
    faults = []
    for program, *words in json.load(sys.stdin):
        try:
            PROGRAMS[program](words)
            faults.append("")
        except (Fault, KeyError, ValueError, IndexError, botocore.exceptions.BotoCoreError) as fault:
            faults.append(f"{type(fault).__name__} {fault}")
    json.dump(faults, sys.stdout)


if __name__ == "__main__":
    main()
