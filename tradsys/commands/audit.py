"""`tradsys audit`."""

import json
import time
from typing import Annotated, Final

import psycopg
import typer
from confluent_kafka import KafkaException
from rich.console import Console

from tradsys import connections
from tradsys.audit.kafka_log import KafkaLog
from tradsys.audit.prove import Evidence
from tradsys.audit.quiet import QUIET_S, Quiet
from tradsys.audit.report import as_json, as_table
from tradsys.commands.options import AsJson, Home
from tradsys.errors import CommandError
from tradsys.settings import environment_of

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
    environ = environment_of(home)
    try:
        with Console(stderr=True).status("waiting until nobody trades") as status:
            evidence = Evidence(connections.log(environ), connections.codec(environ), connections.database(environ))
            _wait(evidence.log, wait_s)
            result = evidence.prove(status.update)
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


def _wait(log: KafkaLog, wait_s: float) -> None:
    quiet, deadline_s = Quiet(log), time.monotonic() + wait_s
    while not quiet.look():
        if time.monotonic() > deadline_s:
            raise CommandError(
                f"Somebody trades: the log did not rest for {QUIET_S:.0f} s within {wait_s:.0f} s. "
                "Stop what sends orders, or give it longer with --wait."
            )
        time.sleep(LOOK_AGAIN_S)
