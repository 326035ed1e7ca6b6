"""How gateways of tests are asked on a machine that is busy with other tests."""

from typing import Final

import httpx

PATIENT_MS: Final = 5_000
"""ANSWER_MS of a gateway whose dependencies are all there."""

TRIES = 20


def log_in(client: httpx.Client, username: str, password: str) -> dict[str, str]:
    """What a login gives; a busy machine's database may take too long for one, and then another is tried."""
    for _ in range(TRIES):
        answer = client.post("/auth/login", json={"username": username, "password": password})
        if answer.status_code != 503:
            break
    assert answer.status_code == 200, answer.text
    data: dict[str, str] = answer.json()["data"]
    return data
