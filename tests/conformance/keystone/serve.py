"""Serves the Keystone of a folder on a free port, and speaks with its own Fernet code.

Commands come as lines of JSON on standard input, answers go out the same way:
  {"do": "serve"}                        -> {"port": N}
  {"do": "seal", "payload": {...}}       -> {"token": "..."}
  {"do": "open", "token": "..."}         -> {"payload": {...}}
"""

import json
import logging
import sys
import threading
import warnings

warnings.filterwarnings("ignore")
sys.argv = ["keystone", "--config-file", sys.argv[1] + "/keystone.conf"]

from keystone.server.wsgi import initialize_public_application  # noqa: E402

application = initialize_public_application()

from keystone.token import token_formatters  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

logging.getLogger("werkzeug").setLevel(logging.ERROR)

NAMES = (
    "user_id methods audit_ids system domain_id project_id trust_id federated_group_ids "
    "identity_provider_id protocol_id access_token_id app_cred_id thumbprint issued_at expires_at"
).split()


def payload_class(payload):
    if payload.get("trust_id"):
        return token_formatters.TrustScopedPayload
    if payload.get("app_cred_id"):
        return token_formatters.ApplicationCredentialScopedPayload
    if payload.get("system"):
        return token_formatters.SystemScopedPayload
    if payload.get("project_id"):
        return token_formatters.ProjectScopedPayload
    if payload.get("domain_id"):
        return token_formatters.DomainScopedPayload
    return token_formatters.UnscopedPayload


def answer(request):
    formatter = token_formatters.TokenFormatter()
    if request["do"] == "serve":
        WSGIRequestHandler.protocol_version = "HTTP/1.1"
        server = make_server("127.0.0.1", 0, application, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return {"port": server.port}
    if request["do"] == "seal":
        payload = request["payload"]
        return {"token": formatter.create_token(payload_class=payload_class(payload), **payload)}
    values = formatter.validate_token(request["token"])
    return {"payload": dict(zip(NAMES, values))}


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except Exception as error:  # told to whoever asked
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
