"""`tradsys audit`."""

import json
import time
from collections.abc import Callable
from typing import Annotated, Final

import psycopg
import typer
from confluent_kafka import KafkaException
from rich.console import Console

from tradsys import connections
from tradsys.audit.prove import Evidence
from tradsys.audit.quiet import QUIET_S, Quiet
from tradsys.audit.reconcile import Reconciliation
from tradsys.audit.report import as_json, as_table
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError

EXIT_DISAGREES: Final = 1
EXIT_NOT_AUDITED: Final = 2
LOOK_AGAIN_S: Final = 0.5


def command(
    home: Home,
    wait_s: Annotated[
        float, typer.Option("--wait", min=QUIET_S, help="How many seconds the log may take to come to rest.")
    ] = 30.0,
    json_output: AsJson = False,  # noqa: FBT002 - an option
) -> None:
    """Prove from the log and the database alone that nothing was lost and nothing happened twice.

    Every record is read, so nobody may trade meanwhile. Addresses come from the environment (KAFKA_BOOTSTRAP,
    SCHEMA_REGISTRY_URL, DB_HOST, ...), else from the platform that was started in the home directory. Exit code 0:
    everything agrees; 1: something does not; 2: it could not be audited.
    """
    try:
        environ = connections.platform(home)
        with Console(stderr=True).status("waiting until nobody trades") as status:
            evidence = Evidence(connections.log(environ), connections.codec(environ), connections.database(environ))
            result = prove_at_rest(Quiet(evidence.log), lambda: evidence.prove(status.update), wait_s)
    except CommandError as error:
        raise CommandError(error.sentence, exit_code=EXIT_NOT_AUDITED) from error
    except (KafkaException, TimeoutError) as error:
        raise CommandError(f"The log cannot be read: {error}.", exit_code=EXIT_NOT_AUDITED) from error
    except psycopg.Error as error:
        raise CommandError(f"The database cannot be read: {str(error).strip()}", exit_code=EXIT_NOT_AUDITED) from error
    if json_output:
        typer.echo(json.dumps(as_json(result)))
    else:
        Console().print(as_table(result))
    if not result.agrees:
        raise typer.Exit(EXIT_DISAGREES)


def prove_at_rest(quiet: Quiet, prove: Callable[[], Reconciliation], wait_s: float) -> Reconciliation:
    """The result over a log that rested before and while it was read. Raises CommandError if it does not rest."""
    deadline_s = time.monotonic() + wait_s
    while True:
        while not quiet.look():
            if time.monotonic() > deadline_s:
                raise CommandError(
                    f"Somebody trades, or orders end by their dates: the log did not rest for {QUIET_S:.0f} s. "
                    "Stop what sends orders, or give it longer with --wait."
                )
            time.sleep(LOOK_AGAIN_S)
        result = prove()
        if quiet.look():
            return result
