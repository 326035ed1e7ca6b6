"""What to try on a demo's platform that keeps running."""

import json
import shutil
import sys
from pathlib import Path
from shlex import quote

from tradsys.client import Password

_FROM_ANSWER = """python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["token"])'"""
_AS_JSON = "-H 'Content-Type: application/json'"


def advice(home: Path, gateway_url: str, login: Password) -> str:
    """Commands for a POSIX shell, with the one-time password of a user who may trade."""
    tradsys = "tradsys" if shutil.which("tradsys") else quote(str(Path(sys.executable).with_name("tradsys")))
    who = json.dumps({"username": login.username, "password": login.password})
    order = json.dumps({"symbol": "BTC-USD", "side": "buy", "type": "market", "quantity": "0.01"})
    at = f"--home {quote(str(home))}"
    return f"""
The platform keeps running. Try:
  curl '{gateway_url}/api/v1/book/BTC-USD?depth=5'
  curl '{gateway_url}/api/v1/candles?symbol=BTC-USD'
  TOKEN=$(curl -s {gateway_url}/auth/login {_AS_JSON} -d '{who}' | {_FROM_ANSWER})
  curl '{gateway_url}/api/v1/orders?wait=2000' -H "Authorization: Bearer $TOKEN" {_AS_JSON} -d '{order}'
  {tradsys} status {at}
  kill -9 any pid that it shows, and look again
  {tradsys} audit {at}
  {tradsys} logs matching {at}
  {tradsys} down {at}"""
