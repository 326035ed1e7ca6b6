"""The door: REST and WebSocket. It writes commands to the log, and answers from the log's frames and read models."""


def main() -> int:
    """Run one gateway process until it is told to stop; 0 after a clean stop, 1 when it could not start."""
    from gateway.server import serve  # noqa: PLC0415 - `import gateway` stays cheap for whoever only names it

    return serve()
