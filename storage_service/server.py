"""Which services does storage answer for? Seven, mounted on one gRPC server."""

from dataclasses import dataclass

from kit.serving import Server
from parley.storage.v1.conversation_service_pb2_grpc import add_ConversationServiceServicer_to_server
from parley.storage.v1.directory_service_pb2_grpc import add_DirectoryServiceServicer_to_server
from parley.storage.v1.inbox_service_pb2_grpc import add_InboxServiceServicer_to_server
from parley.storage.v1.listener_service_pb2_grpc import add_ListenerServiceServicer_to_server
from parley.storage.v1.media_service_pb2_grpc import add_MediaServiceServicer_to_server
from parley.storage.v1.outbox_service_pb2_grpc import add_OutboxServiceServicer_to_server
from parley.storage.v1.privacy_service_pb2_grpc import add_PrivacyServiceServicer_to_server
from storage_service.servicers import conversations, directory, inbox, listeners, media, outbox, privacy


@dataclass(frozen=True, slots=True)
class Servicers:
    """The front doors."""

    inbox: inbox.InboxServicer
    outbox: outbox.OutboxServicer
    conversations: conversations.ConversationServicer
    directory: directory.DirectoryServicer
    privacy: privacy.PrivacyServicer
    listeners: listeners.ListenerServicer
    media: media.MediaServicer


def mount(server: Server, servicers: Servicers) -> None:
    server.add(add_InboxServiceServicer_to_server, servicers.inbox, service=inbox.SERVICE)
    server.add(add_OutboxServiceServicer_to_server, servicers.outbox, service=outbox.SERVICE)
    server.add(add_ConversationServiceServicer_to_server, servicers.conversations, service=conversations.SERVICE)
    server.add(add_DirectoryServiceServicer_to_server, servicers.directory, service=directory.SERVICE)
    server.add(add_PrivacyServiceServicer_to_server, servicers.privacy, service=privacy.SERVICE)
    server.add(add_ListenerServiceServicer_to_server, servicers.listeners, service=listeners.SERVICE)
    server.add(add_MediaServiceServicer_to_server, servicers.media, service=media.SERVICE)
