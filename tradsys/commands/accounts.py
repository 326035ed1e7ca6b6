"""`tradsys accounts`."""

import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from schemas.messages import (
    AccountKind,
    AccountState,
    AccountStatus,
    Control,
    ControlKind,
    Reason,
    SelfTradePrevention,
    Transfer,
    TransferKind,
)
from schemas.units import format_e8
from tradsys import connections
from tradsys.commands.options import AsJson, DecisionId, Home
from tradsys.errors import CommandError
from tradsys.operator.decisions import Decisions, new_id
from tradsys.operator.typed import EXIT_USAGE, decidable, facts_table, made_before, shown_e8, typed_choice, typed_e8


def command(
    home: Home,
    account: Annotated[
        str | None, typer.Argument(help="The account to show, make or change; without one all are shown.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="cash: holds the worst case of its orders; or margin.")] = None,
    status: Annotated[
        str | None, typer.Option(help="active, suspended: may only cancel, or reducing: may reduce too.")
    ] = None,
    leverage: Annotated[str | None, typer.Option(help="MARGIN: largest exposure per equity.")] = None,
    open_orders_max: Annotated[int | None, typer.Option(min=0, help="Most open orders at a time.")] = None,
    self_trade_prevention: Annotated[
        str | None, typer.Option(help="Of orders that do not say it themselves, such as cancel_oldest.")
    ] = None,
    deposit: Annotated[
        tuple[str, str] | None, typer.Option(metavar="AMOUNT CURRENCY", help="Such as 1000 USD; negative withdraws.")
    ] = None,
    transfer: Annotated[
        tuple[str, str, str] | None,
        typer.Option(metavar="AMOUNT CURRENCY ACCOUNT", help="Such as 1000 USD desk-2: move it to that account."),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(help="Of the account: --status is that of its orders that name this strategy.")
    ] = None,
    decision_id: DecisionId = None,
    as_json: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Show the accounts, or one; make one, change what is given of it and leave the rest as it is, or move its funds.

    Each is a record in the log. A deposit or a transfer that is repeated with the same --id is made once. `--status
    active` also ends that a loss made it reducing; losses count anew from there.
    """
    environ = connections.platform(home)
    decisions = Decisions(connections.log(environ), connections.codec(environ))
    given: dict[str, Any] = {
        "account_kind": typed_choice("--kind", kind, AccountKind),
        "account_status": typed_choice("--status", status, AccountStatus),
        "leverage_e8": typed_e8("--leverage", leverage),
        "open_orders_max": open_orders_max,
        "self_trade_prevention": typed_choice("--self-trade-prevention", self_trade_prevention, SelfTradePrevention),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if account is None and (changes or deposit or transfer):
        raise CommandError("Which account? Name it before the options.", exit_code=EXIT_USAGE)
    if (bool(changes), deposit is not None, transfer is not None).count(True) > 1:
        sentence = "A deposit is a decision of its own, and so is a transfer: give it without other options."
        raise CommandError(sentence, exit_code=EXIT_USAGE)
    decided = True
    if account is not None and (account in decisions.accounts or (changes and strategy is None)):
        if strategy is not None:
            decided = _strategy(decisions, account, strategy, changes, decision_id)
        elif changes:
            decided = _change(decisions, account, given, decision_id)
        elif deposit is not None:
            decided = _deposit(decisions, account, deposit, decision_id)
        elif transfer is not None:
            _transfer(decisions, account, transfer, decision_id)
    elif account is not None:
        raise CommandError(f"There is no account {account}; --kind makes it.")
    if not decided:
        typer.echo(made_before(decision_id), err=True)
    _show(decisions, account, as_json=as_json)


def _change(decisions: Decisions, account: str, given: dict[str, Any], decision_id: str | None) -> bool:
    """Make an account, or change what is given of it. False if that was decided before. Raises CommandError."""
    changes = {name: value for name, value in given.items() if value is not None}
    with decidable():
        fields = decisions.decided.account_fields(account, changes)
    return decisions.decide(ControlKind.ACCOUNT, decision_id, changes, **fields)


def _strategy(
    decisions: Decisions, account: str, strategy: str, changes: dict[str, Any], decision_id: str | None
) -> bool:
    """Decide what a strategy of an account may do. False if that was decided before. Raises CommandError."""
    if changes.keys() != {"account_status"}:
        raise CommandError("--strategy goes with --status alone.", exit_code=EXIT_USAGE)
    fields = {"account": account, "strategy": strategy, "account_status": changes["account_status"]}
    return decisions.decide(ControlKind.STRATEGY, decision_id, **fields)


def _deposit(decisions: Decisions, account: str, deposit: tuple[str, str], decision_id: str | None) -> bool:
    """Decide a deposit, or a withdrawal, and say so. False if that was decided before. Raises CommandError."""
    amount, currency = deposit
    amount_e8 = typed_e8("--deposit", amount)
    assert amount_e8 is not None
    if not decisions.decide(ControlKind.FUNDS, decision_id, account=account, currency=currency, amount_e8=amount_e8):
        return False
    done = "were paid in" if amount_e8 > 0 else "were paid out"
    typer.echo(f"{format_e8(abs(amount_e8))} {currency} of {account} {done}.", err=True)
    return True


def _transfer(decisions: Decisions, account: str, transfer: tuple[str, str, str], decision_id: str | None) -> None:
    """Decide a transfer and say what became of it. Raises CommandError where it was refused, or nobody knows yet."""
    amount, currency, to_account = transfer
    if to_account not in decisions.accounts:
        raise CommandError(f"There is no account {to_account}.")
    control_id = decision_id or new_id(ControlKind.TRANSFER)
    moved = {"account": account, "to_account": to_account, "currency": currency}
    if not decisions.decide(ControlKind.TRANSFER, control_id, **moved, amount_e8=typed_e8("--transfer", amount)):
        typer.echo(made_before(control_id), err=True)
    half = decisions.transferred(control_id, account)
    if half is None:
        raise CommandError(f"Nobody has decided it yet. With --id {control_id} it is safe to repeat: it is made once.")
    if half.kind is TransferKind.REFUSED:
        raise CommandError(f"Refused: {_REFUSED.get(half.reason, half.reason).format(**_numbers(half))}.")
    typer.echo(f"{half.from_account} gave {half.to_account} {format_e8(half.amount_e8)} {half.currency}.", err=True)


_REFUSED: Final = {
    Reason.FUNDS_INSUFFICIENT: "{limit} {currency} is available, not {actual}",
    Reason.MARGIN_INSUFFICIENT: "the exposure would be {actual}, and what is left would cover {limit}",
    Reason.INITIAL_MARGIN_INSUFFICIENT: "the initial margin would be {actual}, and an equity of {limit} would be left",
    Reason.NO_MARK: "there is no mark for something that the account holds",
}


def _numbers(half: Transfer) -> dict[str, str]:
    return {"limit": shown_e8(half.limit_e8), "actual": shown_e8(half.actual_e8), "currency": half.currency}


def _show(decisions: Decisions, account: str | None, *, as_json: bool) -> None:
    """The accounts, or one."""
    shown = {name: control for name, control in decisions.accounts.items() if account in {None, name}}
    states = decisions.states()
    facts = {
        name: _facts(control, states.get(name)) | {"strategies": _stopped(decisions, name)}
        for name, control in shown.items()
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        Console().print(_table(facts) if account is None else facts_table(account, facts[account]))


def _facts(control: Control, state: AccountState | None) -> dict[str, Any]:
    """What the operator decided, and the loss that makes an active account reducing."""
    lost = control.account_status is AccountStatus.ACTIVE and state is not None and state.reason is not Reason.NONE
    status = state.status if lost and state is not None else control.account_status or AccountStatus.UNKNOWN
    prevention = control.self_trade_prevention or SelfTradePrevention.CANCEL_NEWEST
    return {
        "kind": (control.account_kind or AccountKind.UNKNOWN).lower(),
        "status": status.lower(),
        "loss": _loss(state) if lost and state is not None else None,
        "leverage": shown_e8(control.leverage_e8) or None,
        "open_orders_max": control.open_orders_max,
        "self_trade_prevention": prevention.lower(),
    }


def _stopped(decisions: Decisions, account: str) -> str | None:
    """Such as `trend suspended, pairs reducing`."""
    stopped = [
        f"{name} {control.account_status.lower()}"
        for (owner, name), control in decisions.strategies.items()
        if owner == account and control.account_status not in {None, AccountStatus.ACTIVE}
    ]
    return ", ".join(stopped) or None


def _loss(state: AccountState) -> str:
    """Such as `daily loss 1200 USD, limit 1000`."""
    if state.reason is Reason.LIQUIDATION:
        return "liquidation"
    if state.reason is Reason.MARGIN_CALL:
        numbers = f"equity {shown_e8(state.actual_e8)} {state.currency}, maintenance margin {shown_e8(state.limit_e8)}"
        return f"margin call: {numbers}"
    daily = state.reason is Reason.DAILY_LOSS_LIMIT
    unit = f" {state.currency}" if daily else f" of the highest equity in {state.currency}"
    what = "daily loss" if daily else "drawdown"
    return f"{what} {shown_e8(state.actual_e8)}{unit}, limit {shown_e8(state.limit_e8)}"


def _table(accounts: dict[str, dict[str, Any]]) -> Table:
    """What one wants to see of all accounts, within 80 columns."""
    table = Table("account", "kind", "status", box=None, header_style="bold")
    table.add_column("leverage", justify="right")
    table.add_column("open orders max", justify="right")
    for name, facts in accounts.items():
        shown = ("" if fact is None else str(fact) for fact in (facts["leverage"], facts["open_orders_max"]))
        table.add_row(name, facts["kind"], facts["status"], *shown)
    return table
