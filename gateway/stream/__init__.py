"""The WebSocket stream: frames of the log to clients."""
