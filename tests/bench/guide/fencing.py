"""A function after the description in the guide that this product replaces, for comparison only.

It does what that guide says, in that order: read the webhook's password, find the accelerator by its DNS name, its first
listener and its first endpoint group, tell the sites apart by their balancers' tags, leave the reporter's endpoint alone
in the group, and take the other site offline at the reporter's Infinispan. A client is made where it is used.
"""

import base64
import json
import os

import boto3
import urllib3

urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def secret(name):
    client = boto3.session.Session().client("secretsmanager", region_name=os.environ["SECRETS_REGION"])
    return client.get_secret_value(SecretId=name)["SecretString"]


def belongs_to(endpoint, site):
    arn = endpoint["EndpointId"]
    client = boto3.client("elbv2", region_name=arn.split(":")[3])
    described = client.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    return any(tag["Key"] == "site" and tag["Value"] == site for tag in described)


def take_offline(reporter, offline):
    host = json.loads(os.environ["INFINISPAN_SITE_ENDPOINTS"])[reporter]
    password = secret(os.environ["INFINISPAN_USER_SECRET"])
    user = os.environ["INFINISPAN_USER"]
    http = urllib3.PoolManager(cert_reqs="CERT_NONE")
    answer = http.request(
        "POST",
        f"https://{host}/rest/v2/container/x-site/backups/{offline}?action=take-offline",
        headers=urllib3.make_headers(basic_auth=f"{user}:{password}"),
    )
    if answer.status >= 400:
        raise RuntimeError(f"take-offline: {answer.status}")


def site_offline(labels):
    client = boto3.client("globalaccelerator", region_name="us-west-2")
    dns = labels["accelerator"]
    found = [each for each in client.list_accelerators()["Accelerators"] if each["DnsName"] == dns]
    if not found:
        return
    listener = client.list_listeners(AcceleratorArn=found[0]["AcceleratorArn"])["Listeners"][0]["ListenerArn"]
    group = client.list_endpoint_groups(ListenerArn=listener)["EndpointGroups"][0]
    endpoints = group["EndpointDescriptions"]
    if len(endpoints) < 2:
        return
    reporter = next(each for each in endpoints if belongs_to(each, labels["reporter"]))
    if reporter["HealthState"] == "UNHEALTHY":
        return
    del reporter["HealthState"]
    client.update_endpoint_group(
        EndpointGroupArn=group["EndpointGroupArn"], EndpointConfigurations=[reporter]
    )
    take_offline(labels["reporter"], labels["site"])


def handler(event, context):
    print(json.dumps(event))
    given = event["headers"].get("authorization")
    if given is None:
        return {"statusCode": 401}
    user, _, password = base64.b64decode(given.split(" ")[1]).decode().partition(":")
    expected = secret(os.environ["WEBHOOK_USER_SECRET"])
    if user != os.environ["WEBHOOK_USER"] or password != expected:
        return {"statusCode": 403}
    body = json.loads(event["body"])
    if body["status"] != "firing":
        return {"statusCode": 204}
    for alert in body["alerts"]:
        site_offline(alert["labels"])
    return {"statusCode": 204}
