"""How are gRPC connections set up? Every option, with the trap that it closes."""

import json
from typing import Any

from kit import contract
from kit.settings import Settings

Options = list[tuple[str, Any]]

_KEEPALIVE_MS = 30_000
_PLUGIN_KEEPALIVE_MS = 330_000
_ATTEMPTS = 3


def server_options(settings: Settings) -> Options:
    """For a server."""
    age_ms = settings.mesh_max_connection_age_seconds * 1000
    aging = [("grpc.max_connection_age_ms", age_ms), ("grpc.max_connection_age_grace_ms", 300_000)] if age_ms else []
    return [
        # On by default: a second server on the port would start, silently, and take half of the connections.
        ("grpc.so_reuseport", 0),
        # Without it a client that pings as ours do is thrown out after some seconds: "Too many pings".
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        *_sizes(settings),
        *aging,
    ]


def channel_options(settings: Settings) -> Options:
    """For a channel."""
    return [
        ("grpc.service_config", service_config()),
        # On by default: with https_proxy or http_proxy set, calls to a service beside this one would go out through it.
        ("grpc.enable_http_proxy", 0),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # The default goes up to two minutes; a restarted service is to be found at once.
        ("grpc.initial_reconnect_backoff_ms", 200),
        # By its name a wait, in fact the time that one attempt may take: TCP, TLS, and the word of a busy server.
        ("grpc.min_reconnect_backoff_ms", 5000),
        ("grpc.max_reconnect_backoff_ms", 500),
        *_sizes(settings),
    ]


def plugin_options(settings: Settings) -> Options:
    """For a channel to a server of others, which may allow a ping in five minutes, as gRPC does off the shelf."""
    kept = [each for each in channel_options(settings) if "keepalive" not in each[0] and "ping" not in each[0]]
    # With keepalive on, what is sent and not acknowledged within its timeout ends the connection: a host that vanished.
    return [*kept, ("grpc.keepalive_time_ms", _PLUGIN_KEEPALIVE_MS), ("grpc.keepalive_timeout_ms", 10_000)]


def service_config() -> str:
    """Round robin, and retries of what the contract calls idempotent, on UNAVAILABLE only, throttled.

    No timeout: in Python one of the service config fires 1.2 s early and is not sent to the server (grpc/grpc#34547).
    """
    policy = {
        "maxAttempts": _ATTEMPTS,
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    names = [{"service": rpc.service, "method": rpc.name} for rpc in contract.rpcs() if rpc.idempotent]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": names, "retryPolicy": policy}],
            "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
        }
    )


def _sizes(settings: Settings) -> Options:
    most = settings.mesh_max_message_bytes
    return [("grpc.max_receive_message_length", most), ("grpc.max_send_message_length", most)]
