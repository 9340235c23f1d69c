"""cors.py STACK   Sets the CORS configuration of template.yaml on the deployed stack's API, by API Gateway's own call: the emulator ignores it in templates."""
import json
import pathlib
import sys

import boto3
from samtranslator.yaml_helper import yaml_parse


def main(stack: str) -> None:
    deployed = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in deployed["Parameters"]}
    outputs = {o["OutputKey"]: o["OutputValue"] for o in deployed["Outputs"]}
    origins = [origin for origin in parameters["AllowedOrigins"].split(",") if origin]
    template = yaml_parse((pathlib.Path(__file__).resolve().parents[2] / "template.yaml").read_text(encoding="utf-8"))
    condition, configuration, _ = template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"]
    if condition != "HasOrigins" or configuration["AllowOrigins"] != {"Ref": "AllowedOrigins"}:
        raise SystemExit(f"error: the template's CORS configuration is another one: {json.dumps(configuration)}")
    gateway = boto3.client("apigatewayv2")
    if origins:
        gateway.update_api(ApiId=outputs["ApiId"], CorsConfiguration={**configuration, "AllowOrigins": origins})
    elif gateway.get_api(ApiId=outputs["ApiId"]).get("CorsConfiguration"):
        gateway.delete_cors_configuration(ApiId=outputs["ApiId"])


if __name__ == "__main__":
    main(sys.argv[1])
