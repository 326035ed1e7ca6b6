"""How far the first start's download is: a bar on a terminal, lines elsewhere."""

from typing import Final

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from tradsys.stack.fetch import DOWNLOAD_BYTES, cache_directory, fetch, is_fetched
from tradsys.stack.java import find_java

LINE_BYTES: Final = 10_000_000
"""Where there is no terminal, a line for each so many bytes that have arrived."""


def fetch_with_progress(console: Console) -> None:
    """Fetch the stack unless it is there, and show it. Raises CommandError without Java or Maven, or if it fails."""
    cache = cache_directory()
    if is_fetched(cache):
        return
    find_java()  # whoever has none should hear of it before the download
    console.print(f"Fetching Kafka and the schema registry from Maven Central: about {decimal(DOWNLOAD_BYTES)}, once.")
    columns = BarColumn(), DownloadColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=DOWNLOAD_BYTES)
        said_bytes, done_bytes = 0, 0

        def arrived(file: str, size_bytes: int) -> None:
            nonlocal said_bytes, done_bytes
            done_bytes += size_bytes
            progress.update(bar, completed=min(done_bytes, DOWNLOAD_BYTES), description=file)
            if not console.is_terminal and done_bytes - said_bytes >= LINE_BYTES:
                said_bytes = done_bytes
                console.print(f"{decimal(done_bytes)} of about {decimal(DOWNLOAD_BYTES)}: {file}", highlight=False)

        fetch(cache, arrived)
    console.print("Fetched.")
