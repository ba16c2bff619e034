"""What do people write, and what have they written before? Conversations of some lengths in one SQLite file.

In a conversation the person and the agent take turns, so that a prompt looks like one of real life.
"""

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from kit.moments import utc_now
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import Submission
from storage_service.backends import schema
from storage_service.backends.tables.columns import to_micros

TENANT, ACCOUNT = "bench", "account"
# Who write at the same time. No conversation is used by two of them.
PEOPLE = 32
SAID = (
    "Hello, can you tell me when my order will arrive? It was due on Monday.",
    "Hola, ¿me puedes decir cuándo llega mi pedido? Lo espero desde el lunes.",
    "Oi, você sabe me dizer quando chega o meu pedido? Era para segunda-feira.",
    "ok, and what does it cost to send it to another address",
)
PROMPT = (
    "You are the assistant of a shop that sells bicycles and spare parts. Answer in a friendly tone and in a few "
    "sentences. When you do not know something, say so, and never promise a date or a discount by yourself."
)
DIRECTORY = (
    "INSERT INTO tenants (id, name, created_at) VALUES (:t, :t, :at)",
    "INSERT INTO prompts (tenant_id, id, name, live_version_id, created_at) VALUES (:t, 'p', 'p', 'v', :at)",
    "INSERT INTO prompt_versions (tenant_id, id, prompt_id, number, text, created_at) "
    "VALUES (:t, 'v', 'p', 1, :prompt, :at)",
    "INSERT INTO agents (tenant_id, id, name, prompt_id, created_at, updated_at) "
    "VALUES (:t, 'agent', 'agent', 'p', :at, :at)",
    "INSERT INTO channel_accounts (tenant_id, id, channel, account_key, address, agent_id, default_quiet_ms, "
    "credentials, created_at, updated_at) VALUES (:t, :a, 'api', 'key', 'api', 'agent', 0, x'', :at, :at)",
)
NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count) "
CONVERSATIONS = (
    "INSERT INTO contacts (tenant_id, id, created_at) {numbers} SELECT :t, :talk || n, :at FROM numbers",
    "INSERT INTO identities (tenant_id, account_id, sender_id, channel, contact_id, created_at) {numbers} "
    "SELECT :t, :a, :talk || n, 'api', :talk || n, :at FROM numbers",
    "INSERT INTO conversations (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, prompt_version_id, "
    "next_seq, last_reply_seq, created_at, updated_at) {numbers} SELECT :t, :talk || n, :a, 'api', :talk || n, "
    ":talk || n, 'agent', 'v', :each + 1, :each, :at, :at FROM numbers",
)
MESSAGES = (
    "INSERT INTO messages (tenant_id, id, conversation_id, seq, role, text, account_id, chat_id, provider_message_id, "
    "sender_id, reply_to_provider_message_id, correlation_id, traceparent, provider_at, created_at) {numbers} "
    "SELECT :t, :talk || n, :talk || (n / :each), n % :each + 1, "
    "CASE n % 2 WHEN 0 THEN 'contact' ELSE 'agent' END, 'What was said long ago, and is remembered; number ' || n, "
    ":a, :talk || (n / :each), :talk || n, '', '', '', '', :at, :at FROM numbers"
)


@dataclass(frozen=True, slots=True)
class Talks:
    """Conversations of one length: how many there are, of how many messages. Those of none begin with the bench."""

    history: int
    chats: int

    def chat(self, number: int) -> str:
        """The n-th conversation, over and over."""
        return f"talk{self.history}-{number % self.chats if self.history else number}"


def fill(file: Path, talks: tuple[Talks, ...]) -> None:
    """Makes the file and puts the conversations into it."""
    asyncio.run(schema.migrate(f"sqlite:///{file}"))
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN")
    common = {"t": TENANT, "a": ACCOUNT, "at": to_micros(utc_now()), "prompt": PROMPT}
    for statement in DIRECTORY:
        connection.execute(statement, common)
    for each in filter(lambda each: each.history, talks):
        values = {**common, "talk": f"talk{each.history}-", "each": each.history, "count": each.chats}
        for statement in CONVERSATIONS:
            connection.execute(statement.format(numbers=NUMBERS), values)
        connection.execute(MESSAGES.format(numbers=NUMBERS), {**values, "count": each.chats * each.history})
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()


def submission(chat: str, number: int) -> Submission:
    """What the n-th message of the bench is, as the gateway hands it over."""
    message = ChannelMessage(
        channel="api",
        chat_id=chat,
        sender_id=chat,
        text=SAID[number % len(SAID)],
        provider_message_id=f"{chat}-said-{number}",
    )
    return Submission(tenant_id=TENANT, account_id=ACCOUNT, messages=[message])
