"""Runs openstack commands one after the other in one interpreter.

Reads {"cloud", "line"} as a JSON line, runs `openstack --os-cloud CLOUD LINE` with the
client's own entry point, and writes {"status", "stdout", "stderr"} as a JSON line.
"""

import contextlib
import io
import json
import shlex
import sys

from openstackclient import shell


def run(cloud, line):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            client = shell.OpenStackShell()
            # The application keeps the streams it was made with.
            client.stdout, client.stderr = out, err
            status = client.run(["--os-cloud", cloud, *shlex.split(line)])
        except SystemExit as end:
            status = end.code or 0
        except Exception as error:  # what the executable would print and exit 1 for
            err.write(str(error))
            status = 1
    return {"status": status or 0, "stdout": out.getvalue(), "stderr": err.getvalue()}


for text in sys.stdin:
    request = json.loads(text)
    sys.__stdout__.write(json.dumps(run(request["cloud"], request["line"])) + "\n")
    sys.__stdout__.flush()
