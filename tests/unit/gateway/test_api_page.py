"""docs/api.md: each command is typed in, and answered as the page says."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def assert_like(said: Any, page: Any) -> None:
    """Text of the page that ends with ... stands for any that begins so, up to an id that changes."""
    if isinstance(page, dict):
        assert list(said) == list(page)
        for name, value in page.items():
            if name not in {"correlation_id", "time", "created_at", "updated_at"}:
                assert_like(said[name], value)
    elif isinstance(page, list):
        assert len(said) == len(page)
        for one, value in zip(said, page, strict=True):
            assert_like(one, value)
    elif isinstance(page, str) and page.endswith("..."):
        assert said.startswith(page[:-3])
    else:
        assert said == page


async def type_in(command: str, served: Any) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", command),
        env={
            "PATH": os.environ["PATH"],
            "URL": served.http,
            "TOKEN": served.token(),
            "ADMIN": served.token("root", "admin"),
        },
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, command
    return said.decode()


async def test_each_command_is_answered_as_the_page_says(served: Any, make_symbol: Any) -> None:
    served.symbols.apply(make_symbol("ETH-USD"))
    assert BLOCKS
    said = ""
    for language, text in BLOCKS:
        if language == "console":
            said = await type_in(text, served)
        else:
            assert language == "json"
            assert_like(json.loads(said), json.loads(text))
