"""What schemathesis is told beyond the document: which objects there are.

Random identifiers lead to 404 and no further. Ids are collected from answers and
put into later requests: into the path where the document has a parameter, into
queries and bodies where a key names an object of another kind. A small lab is made
at the start and made again when the fuzzer has deleted it.

    ISOSPIN_FUZZ_LAB     "public" if the token may make an external network
    ISOSPIN_FUZZ_COUNTS  file the number of requests by status is written to
"""

import atexit
import collections
import json
import os
import random
import re

import requests
import schemathesis

# How often a place that could name an object that is there does.
OFTEN = 0.75
# How many ids of a kind are remembered.
MOST = 40
# How many calls pass before the lab is looked after.
ROUND = 400

# Keys of bodies and queries, and the collections their ids are from.
KEYS = {
    "network_id": "/v2.0/networks",
    "floating_network_id": "external",
    "subnet_id": "/v2.0/subnets",
    "port_id": "/v2.0/ports",
    "internal_port_id": "/v2.0/ports",
    "router_id": "/v2.0/routers",
    "security_group_id": "/v2.0/security-groups",
    "security_groups": "/v2.0/security-groups",
    "remote_group_id": "/v2.0/security-groups",
    "remote_address_group_id": "/v2.0/address-groups",
    "qos_policy_id": "/v2.0/qos/policies",
    "address_scope_id": "/v2.0/address-scopes",
    "subnetpool_id": "/v2.0/subnetpools",
    "segment_id": "/v2.0/segments",
    "metering_label_id": "/v2.0/metering/metering-labels",
    "flavor_id": "/v2.0/flavors",
    "service_profiles": "/v2.0/service-profiles",
    "object_id": "any",
    "id": "any",
    "project_id": "project",
    "tenant_id": "project",
}
# Keys whose values are rarely right by chance.
TEXTS = {
    "cidr": lambda chance: prefix(chance),
    "remote_ip_prefix": lambda chance: prefix(chance),
    "destination": lambda chance: prefix(chance),
    "nexthop": lambda chance: address(chance),
    "ip_address": lambda chance: address(chance),
    "gateway_ip": lambda chance: address(chance),
    "fixed_ip_address": lambda chance: address(chance),
    "internal_ip_address": lambda chance: address(chance),
    "floating_ip_address": lambda chance: f"172.24.4.{chance.randrange(256)}",
    "start": lambda chance: address(chance),
    "end": lambda chance: address(chance),
    "host": lambda chance: chance.choice(["host1", "host2"]),
    "binding:host_id": lambda chance: chance.choice(["host1", "host2", ""]),
    "device_owner": lambda chance: chance.choice(["", "compute:nova", "network:dhcp", "network:floatingip"]),
    "protocol": lambda chance: chance.choice(["tcp", "udp", "icmp", "ipv6-icmp", "sctp", "6", "any"]),
    "object_type": lambda chance: chance.choice(
        ["network", "security_group", "address_group", "subnetpool", "address_scope", "qos_policy"]
    ),
    "helper": lambda chance: chance.choice(["ftp", "tftp", "sip"]),
    "provider:network_type": lambda chance: chance.choice(["vlan", "vxlan", "flat", "local"]),
    "provider:physical_network": lambda chance: "external",
    "network_type": lambda chance: chance.choice(["vlan", "vxlan"]),
    "physical_network": lambda chance: "external",
    "revision": lambda chance: str(chance.randrange(5)),
    "external_port_range": lambda chance: chance.choice(["80:90", "22", "90:80"]),
    "internal_port_range": lambda chance: chance.choice(["80:90", "22", "90:80"]),
}


def prefix(chance):
    return chance.choice([f"10.{chance.randrange(4)}.{chance.randrange(4)}.0/24", "fd00::/64", "0.0.0.0/0"])


def address(chance):
    return chance.choice([f"10.{chance.randrange(4)}.0.{chance.randrange(256)}", "fd00::5"])


class Known:
    """Ids that were seen in answers, by the path of their collection."""

    def __init__(self):
        self.ids = collections.defaultdict(lambda: collections.deque(maxlen=MOST))
        self.chance = random.Random(int(os.environ.get("ISOSPIN_FUZZ_SEED", "1")))
        self.project = ""

    def note(self, template, values, body):
        """Remembers what an answer to the URL shows; `values` are those of its parameters."""
        if not isinstance(body, dict):
            return
        member = template if template.endswith("}") else template + "/{}"
        outer = values[:-1] if template.endswith("}") else values
        for shown in body.values():
            for item in shown if isinstance(shown, list) else [shown]:
                if isinstance(item, dict) and isinstance(item.get("id", item.get("host")), str):
                    self.add(member, (*outer, item.get("id", item.get("host"))))
                    if item.get("router:external") is True:
                        self.add("external/{}", (item["id"],))

    def add(self, member, ids):
        if ids not in self.ids[member]:
            self.ids[member].append(ids)

    def one(self, member):
        """Values for the parameters of a member's path; `None` when none is known."""
        found = self.ids.get(member)
        return self.chance.choice(found) if found else None

    def id_for(self, key):
        collection = KEYS.get(key)
        if collection == "project":
            return self.project
        if collection == "any":
            kinds = [kind for kind, ids in self.ids.items() if ids]
            collection = self.chance.choice(kinds)[:-3] if kinds else None
        found = self.one(f"{collection}/{{}}")
        return found[-1] if found else None

    def often(self):
        return self.chance.random() < OFTEN

    def filled(self, value, key=""):
        """The value with ids that are there in place of invented ones."""
        if isinstance(value, dict):
            return {name: self.filled(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner, key) for inner in value]
        if isinstance(value, str) and self.often():
            if key in TEXTS:
                return TEXTS[key](self.chance)
            return self.id_for(key) or value
        return value


KNOWN = Known()
COUNTS = collections.Counter()
DISTANCE = 0


def template_of(path):
    return re.sub(r"\{[^}]*\}", "{}", path)


class Lab:
    """One object of the kinds others hang on."""

    def __init__(self, base, token):
        self.base, self.session = base, requests.Session()
        self.session.headers["X-Auth-Token"] = token

    def make(self, path, key, **values):
        answer = self.session.post(f"{self.base}{path}", json={key: values}, timeout=30)
        if answer.status_code != 201:
            return {}
        KNOWN.note(template_of(path), tuple(re.findall(r"[0-9a-f-]{36}", path)), answer.json())
        return answer.json()[key]

    def look_after(self):
        """Makes anew what is gone; what is refused is refused."""
        chance = KNOWN.chance
        project = self.session.get(f"{self.base}/v2.0/quotas/project", timeout=30)
        KNOWN.project = project.json().get("project", {}).get("project_id", "")
        if os.environ.get("ISOSPIN_FUZZ_LAB") == "public":
            public = self.make("/v2.0/networks", "network", **{"router:external": True, "shared": True})
            self.make("/v2.0/subnets", "subnet", network_id=public.get("id", ""), ip_version=4,
                      cidr=f"172.24.{chance.randrange(256)}.0/24")
        network = self.make("/v2.0/networks", "network").get("id", "")
        subnet = self.make("/v2.0/subnets", "subnet", network_id=network, ip_version=4,
                           cidr=f"10.{chance.randrange(4)}.0.0/24").get("id", "")
        port = self.make("/v2.0/ports", "port", network_id=network).get("id", "")
        parent = self.make("/v2.0/ports", "port", network_id=network).get("id", "")
        self.make("/v2.0/trunks", "trunk", port_id=parent)
        external = KNOWN.id_for("floating_network_id") or ""
        router = self.make("/v2.0/routers", "router", external_gateway_info={"network_id": external}).get("id", "")
        self.session.put(f"{self.base}/v2.0/routers/{router}/add_router_interface",
                         json={"subnet_id": subnet}, timeout=30)
        self.make(f"/v2.0/routers/{router}/conntrack_helpers", "conntrack_helper",
                  protocol="tcp", port=21, helper="ftp")
        floating = self.make("/v2.0/floatingips", "floatingip", floating_network_id=external).get("id", "")
        ip = self.session.get(f"{self.base}/v2.0/ports/{port}", timeout=30).json()
        for entry in ip.get("port", {}).get("fixed_ips", []):
            self.make(f"/v2.0/floatingips/{floating}/port_forwardings", "port_forwarding", protocol="tcp",
                      internal_port=80, external_port=chance.randrange(1, 60000), internal_port_id=port,
                      internal_ip_address=entry["ip_address"])
        self.make("/v2.0/security-groups", "security_group", name="fuzz")
        self.make("/v2.0/address-groups", "address_group", addresses=["10.0.0.0/24"])
        self.make("/v2.0/address-scopes", "address_scope", ip_version=4, name="fuzz")
        self.make("/v2.0/subnetpools", "subnetpool", name="fuzz", prefixes=["10.0.0.0/8"])
        self.make("/v2.0/qos/policies", "policy", name="fuzz")
        self.make("/v2.0/flavors", "flavor", service_type="L3_ROUTER_NAT")
        self.make("/v2.0/service-profiles", "service_profile", metainfo="{}")


LAB = None


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts ids that are there into the request."""
    global LAB, DISTANCE
    token = (kwargs.get("headers") or {}).get("X-Auth-Token") or (case.headers or {}).get("X-Auth-Token")
    if LAB is None and token:
        LAB = Lab(case.operation.base_url.rstrip("/"), token)
    if LAB is not None and DISTANCE % ROUND == 0:
        LAB.look_after()
    DISTANCE += 1
    aim(case)


def aim(case):
    template = template_of(case.path)
    names = re.findall(r"\{([^}]*)\}", case.path)
    # A limit of zero by chance would end what the others can do.
    if names and KNOWN.often() and not (template.startswith("/v2.0/quotas") and case.method == "PUT"):
        member = template
        while not (found := KNOWN.one(member)) and "/" in member[1:]:
            member = member.rpartition("/")[0]
        if found and len(found) <= len(names):
            case.path_parameters = {**(case.path_parameters or {}), **dict(zip(names, found))}
    if isinstance(case.query, dict) and case.query:
        case.query = KNOWN.filled(dict(case.query))
    if case.method == "GET" and not names and KNOWN.often() and template.startswith("/v2.0/"):
        # All objects again and again say nothing new.
        case.query = {"limit": 3, **(case.query or {})}
    if isinstance(case.body, dict):
        case.body = KNOWN.filled(case.body)


@schemathesis.hook
def after_call(context, case, response):
    """Remembers what is shown."""
    COUNTS[f"{response.status_code}"] += 1
    if response.status_code in (200, 201):
        try:
            shown = response.json()
        except ValueError:
            return
        names = re.findall(r"\{([^}]*)\}", case.path)
        values = tuple(str((case.path_parameters or {}).get(name)) for name in names)
        KNOWN.note(template_of(case.path), values, shown)


# Refusals Neutron gives the status of a server's error; nothing else may have one.
REFUSALS = {
    "HTTPNotImplemented", "FlavorDisabled", "ServiceProfileDisabled", "NoNetworkAvailable",
    "NetworkMacAddressGenerationFailure",
}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether the failure is one."""
    if type(failure).__name__ != "ServerError" or response.status_code not in (501, 503):
        return True
    fault = next(iter(response.json().values()))
    return fault["type"] not in REFUSALS


@atexit.register
def write_counts():
    if path := os.environ.get("ISOSPIN_FUZZ_COUNTS"):
        with open(path, "w", encoding="utf-8") as output:
            json.dump(dict(COUNTS), output)
