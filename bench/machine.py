"""What is the most that this machine can make durable? Rows per second by group commit, fsync on."""

import asyncio
import sqlite3
import time
from pathlib import Path

import asyncpg

ROWS_PER_COMMIT = 200
PAYLOAD = "x" * 400


async def postgres_rows_per_second(url: str, seconds: float) -> float:
    """One connection, one `unnest` insert of 200 rows a transaction, waited for."""
    connection = await asyncpg.connect(url, command_timeout=10)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS bench_rows (id text PRIMARY KEY, body text NOT NULL)")
        statement = await connection.prepare("INSERT INTO bench_rows SELECT * FROM unnest($1::text[], $2::text[])")
        bodies, rows, began = [PAYLOAD] * ROWS_PER_COMMIT, 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            await statement.fetch([f"{began}-{rows + n}" for n in range(ROWS_PER_COMMIT)], bodies)
            rows += ROWS_PER_COMMIT
        return rows / (time.perf_counter() - began)
    finally:
        await connection.execute("DROP TABLE IF EXISTS bench_rows")
        await connection.close()


async def sqlite_rows_per_second(folder: Path, seconds: float) -> float:
    """WAL, synchronous=FULL, 200 rows a transaction."""
    return await asyncio.to_thread(_sqlite_rows_per_second, folder, seconds)


def _sqlite_rows_per_second(folder: Path, seconds: float) -> float:
    connection = sqlite3.connect(folder / "machine.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bench_rows (id text PRIMARY KEY, body text NOT NULL)")
    rows, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO bench_rows VALUES (?, ?)", [(f"{rows + n}", PAYLOAD) for n in range(ROWS_PER_COMMIT)]
        )
        connection.execute("COMMIT")
        rows += ROWS_PER_COMMIT
    connection.close()
    return rows / (time.perf_counter() - began)
