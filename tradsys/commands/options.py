"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from tradsys.settings import default_home

Home = Annotated[
    Path,
    typer.Option(
        envvar="TRADSYS_HOME",
        default_factory=default_home,
        show_default="~/.local/share/tradsys",
        help="The directory of this platform: data, logs, secrets. Two homes are two platforms.",
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine instead of text for a person.")]

DecisionId = Annotated[
    str | None,
    typer.Option("--id", help="The decision's own id: the same one twice does nothing. Without it a new one is made."),
]
