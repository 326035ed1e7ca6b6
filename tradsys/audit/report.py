"""What a reconciliation says, to people and to machines."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tradsys.audit.reconcile import Reconciliation, RuleResult

SHOWN_MAX = 5
"""Findings of each rule that people are shown."""


def as_table(result: Reconciliation) -> RenderableType:
    """Each rule with its verdict, and the first findings of those that found something."""
    table = Table(title="reconciliation: from the log and the database alone", title_justify="left")
    table.add_column("rule")
    table.add_column("what must hold")
    table.add_column("found", justify="right")
    for rule in result.results:
        table.add_row(rule.rule, rule.statement, _verdict(rule))
    figures = ", ".join(f"{count:,} {name}" for name, count in result.figures.items())
    findings = [
        Text(f"{found.rule}: {found.where}: {found.detail}", style="red")
        for rule in result.results
        for found in rule.findings[:SHOWN_MAX]
    ]
    verdict = (
        Text("Everything agrees.", style="green") if result.agrees else Text("It does not agree.", style="bold red")
    )
    return Group(table, Text(figures), *findings, verdict)


def _verdict(rule: RuleResult) -> Text:
    if rule.untried:
        return Text(f"not tried: {rule.untried}", style="yellow")
    return Text("ok", style="green") if not rule.count else Text(f"{rule.count:,}", style="bold red")


def as_json(result: Reconciliation) -> dict[str, Any]:
    """The same for machines."""
    return {
        "agrees": result.agrees,
        "figures": result.figures,
        "rules": {rule.rule: rule.count for rule in result.results if not rule.untried},
        "untried": {rule.rule: rule.untried for rule in result.results if rule.untried},
        "findings": [found._asdict() for rule in result.results for found in rule.findings],
    }
