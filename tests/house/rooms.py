"""Who may import whom, which library lives where, and who may build servers or read the environment?"""

import ast
from collections.abc import Iterator

from tests.house.tree import PACKAGES, SERVICES, Module, dotted

MAY_IMPORT = {
    "kit": {"kit", "parley"},
    "channels": {"channels", "parley"},
    "gateway": {"gateway", "kit", "channels", "parley"},
    "sender_service": {"sender_service", "kit", "channels", "parley"},
    "storage_service": {"storage_service", "kit", "parley"},
    "agent_service": {"agent_service", "kit", "parley"},
    "llm_service": {"llm_service", "kit", "parley"},
    "sandbox": {"sandbox", "kit", "channels", "parley"},
}

DATABASE = ("storage_service/backends",)
HTTP_OUT = ("llm_service/backends", "sender_service/backends", "kit/command")
HTTP_IN = ("gateway",)
COMMAND = ("kit/command",)
KIT = ("kit",)
CHANNELS = ("channels",)
# The stand-ins themselves are as pure as channels are.
SANDBOX_IO = (
    *("sandbox/server.py", "sandbox/pages.py", "sandbox/opening.py"),
    *("sandbox/gateway.py", "sandbox/reading.py", "sandbox/sockets.py"),
)

# library -> the only rooms that import it
LIVES_IN = {
    "fastapi": HTTP_IN,
    "starlette": HTTP_IN,
    "uvicorn": HTTP_IN,
    "jwt": (*HTTP_IN, *CHANNELS),
    "aiohttp": ("gateway/backends", "llm_service/backends", "sender_service/backends", *SANDBOX_IO),
    "sqlmodel": DATABASE,
    "sqlalchemy": DATABASE,
    "alembic": DATABASE,
    "asyncpg": DATABASE,
    "aiosqlite": DATABASE,
    "sqlite3": DATABASE,
    "httpx": HTTP_OUT,
    "httpx_aiohttp": (),  # the bench compares with it
    "twilio": CHANNELS,
    "slack_sdk": CHANNELS,
    "markdown_it": CHANNELS,
    "typer": COMMAND,
    "rich": COMMAND,
    "pydantic_settings": KIT,
    "structlog": KIT,
    "opentelemetry": KIT,
    "grpc_health": (*KIT, "gateway/backends"),
    "grpc_reflection": KIT,
    "grpc_status": KIT,
}

# Inside a service: __main__ -> server, backends, settings -> domain.
NOT_BELOW = {
    "domain": {"backends", "server", "settings", "__main__"},
    "backends": {"server", "settings", "__main__"},
    "settings.py": {"backends", "server", "__main__"},
    "server.py": {"__main__"},
}

# Reading, deciding and remembering need none of these.
NOT_IN_DOMAIN = {
    *("grpc", "httpx", "aiohttp", "fastapi", "starlette", "uvicorn", "requests", "socket"),
    *("sqlmodel", "sqlalchemy", "alembic", "asyncpg", "aiosqlite", "sqlite3", "subprocess"),
}

BUILDS_GRPC = {
    *("grpc.aio.server", "grpc.aio.insecure_channel", "grpc.aio.secure_channel"),
    *("grpc.server", "grpc.insecure_channel", "grpc.secure_channel", "aio.server", "aio.insecure_channel"),
}
ENVIRONMENT = {"os.environ", "os.getenv", "os.environb", "os.putenv"}


def imports_point_one_way(module: Module) -> Iterator[str]:
    if not module.is_shipped:
        return
    for line, name in module.imports():
        package = name.split(".")[0]
        if package in {*PACKAGES, "parley", "tests", "bench", "scripts"} - MAY_IMPORT[module.room]:
            yield module.at(line, f"{module.room} may not import {package}")


def rooms_of_a_service_point_inwards(module: Module) -> Iterator[str]:
    if module.room not in SERVICES or len(module.path.parts) < 2:
        return
    forbidden = NOT_BELOW.get(module.path.parts[1], set())
    for line, name in module.imports():
        parts = name.split(".")
        if parts[0] == module.room and len(parts) > 1 and parts[1] in forbidden:
            yield module.at(line, f"{module.path.parts[1]} may not import {parts[1]}")


def domain_does_no_io(module: Module) -> Iterator[str]:
    if module.room not in SERVICES or module.path.parts[1] != "domain":
        return
    for line, name in module.imports():
        if name.split(".")[0] in NOT_IN_DOMAIN or "_pb2_grpc" in name:
            yield module.at(line, f"domain may not import {name}: it reaches outside the process")


def libraries_stay_in_their_room(module: Module) -> Iterator[str]:
    if not module.is_shipped:
        return
    for line, name in module.imports():
        library = name.split(".")[0]
        if library in LIVES_IN and not module.under(*LIVES_IN[library]):
            yield module.at(line, f"{library} lives in {', '.join(LIVES_IN[library])}")


def only_kit_builds_servers_and_channels(module: Module) -> Iterator[str]:
    if not module.is_shipped or module.room == "kit":
        return
    for node in module.nodes:
        if isinstance(node, ast.Call) and dotted(node.func) in BUILDS_GRPC:
            yield module.at(node.lineno, f"{dotted(node.func)} belongs in kit")


def only_settings_read_the_environment(module: Module) -> Iterator[str]:
    if not module.is_shipped or module.path.name == "settings.py":
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and dotted(node) in ENVIRONMENT:
            yield module.at(node.lineno, f"{dotted(node)} outside settings.py")
    for line, name in module.imports():
        if name in ENVIRONMENT or name.split(".")[0] == "dotenv":
            yield module.at(line, f"{name} outside settings.py")
