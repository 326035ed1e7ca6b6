"""What the gateway counts, for Prometheus."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from gateway.breakers import Breaker

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "tradsys_gateway_requests_total",
            "HTTP requests",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tradsys_gateway_request_seconds",
            "Time to answer an HTTP request",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.connections = Gauge(
            "tradsys_gateway_websocket_connections", "Open WebSocket connections", registry=self.registry
        )
        self.slow_clients = Counter(
            "tradsys_gateway_slow_clients_total",
            "WebSocket clients disconnected because they did not keep up",
            registry=self.registry,
        )
        self.frames_in = Counter(
            "tradsys_gateway_frames_total", "Frames read from the stream topic", registry=self.registry
        )
        self.risk_behind = Gauge(
            "tradsys_gateway_risk_behind_seconds",
            "How far pre-trade risk is behind with the shard that waits longest",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "tradsys_gateway_commands_in_flight", "Commands not yet acknowledged by the log", registry=self.registry
        )
        self._breaker_state = Gauge(
            "tradsys_gateway_breaker_state",
            "Whether a dependency is asked: 0 closed, all ask; 1 half open, one asks; 2 open, nobody asks",
            ("dependency",),
            registry=self.registry,
        )
        self._breaker_openings = Gauge(
            "tradsys_gateway_breaker_openings",
            "How often the breaker of a dependency has opened since the process began",
            ("dependency",),
            registry=self.registry,
        )

    def watch(self, *breakers: Breaker) -> None:
        """Show these breakers."""
        for breaker in breakers:
            self._breaker_state.labels(breaker.name).set_function(partial(getattr, breaker, "state"))
            self._breaker_openings.labels(breaker.name).set_function(partial(getattr, breaker, "openings"))
