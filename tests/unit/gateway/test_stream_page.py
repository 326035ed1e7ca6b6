"""docs/stream.md: each dialog is held, and answered as the page says."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

from gateway.rights import ACTIONS, CHANNELS
from gateway.stream.wire import TYPES

PAGE = (Path(__file__).parents[3] / "docs" / "stream.md").read_text("utf-8")
DIALOGS = re.findall(r"^```dialog\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def like(said: Any, page: Any) -> bool:
    """The page's ... stands for any text."""
    if isinstance(page, dict):
        return list(said) == list(page) and all(like(said[name], value) for name, value in page.items())
    if isinstance(page, list):
        return len(said) == len(page) and all(like(one, value) for one, value in zip(said, page, strict=True))
    return bool(said == page) or (page == "..." and isinstance(said, str))


async def test_each_dialog_is_as_the_page_says(served: Any) -> None:
    assert DIALOGS
    for dialog in DIALOGS:
        async with connect(served.ws) as ws:
            for line in dialog.splitlines():
                if line.startswith("> "):
                    await ws.send(line[2:].replace("$TOKEN", served.token()))
                    continue
                async with asyncio.timeout(60):
                    said = json.loads(await ws.recv())
                assert like(said, json.loads(line)), (said, line)


def test_the_page_names_every_channel_and_every_action() -> None:
    rows = dict(re.findall(r"^\| `(\w+)[:\w]*` \| `([\w.]+)` \|", PAGE, re.MULTILINE))
    assert rows == {kind: TYPES[kind] for kind in CHANNELS}
    assert [action for action in ACTIONS if action not in PAGE] == []
