// A client in another language, made from proto/ alone: lists, authenticates, holds one conversation.
// node client.mjs PROTO_FOLDER AGENT_ADDRESS STORAGE_ADDRESS [KEY]; prints one JSON document.
import { randomUUID } from 'node:crypto';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [folder, agentAddress, storageAddress, key] = process.argv.slice(2);
const files = ['parley/agent/v1/agent_service.proto', 'parley/storage/v1/conversation_service.proto'];
const { parley } = grpc.loadPackageDefinition(loader.loadSync(files, { includeDirs: [folder], enums: String, longs: Number }));

const insecure = grpc.credentials.createInsecure();
const agent = new parley.agent.v1.AgentService(agentAddress, insecure);
const conversations = new parley.storage.v1.ConversationService(storageAddress, insecure);

const metadata = new grpc.Metadata();
if (key) metadata.set('authorization', `Bearer ${key}`);

const call = (client, method, request) =>
  new Promise((resolve) =>
    client[method](request, metadata, { deadline: Date.now() + 60_000 }, (error, answer) =>
      resolve(error ? { code: grpc.status[error.code], message: error.details } : answer)
    )
  );

const chatId = randomUUID();
const say = (text, requestId = randomUUID()) => call(agent, 'HandleMessage', { requestId, chatId, text });

const once = randomUUID();
console.log(
  JSON.stringify({
    rpcs: Object.keys(parley.agent.v1.AgentService.service),
    first: await say('hello from node', once),
    repeated: await say('hello from node', once),
    second: await say('and again'),
    listed: await call(conversations, 'ListConversations', { tenantId: 'default' }),
    forbidden: await call(conversations, 'SetOwner', { tenantId: 'default', requestId: once, conversationId: 'x', owner: 'OWNER_HUMAN' }),
  })
);
agent.close();
conversations.close();
