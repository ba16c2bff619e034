// What can be called? The contract, read from proto/ at the start; src/gen has its types, made from the same files.
import { fileURLToPath } from 'node:url';

import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import type { ProtoGrpcType as ErrorDetails } from './gen/error_details.js';
import type { ProtoGrpcType as LlmService } from './gen/llm_service.js';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// `npm run types` is told the same: files, folders and options. Else the types would not be true.
const files = ['parley/llm/v1/llm_service.proto', 'google/rpc/error_details.proto'];
const options = { longs: Number, enums: String, defaults: true, oneofs: true, json: true };
const loaded = loadSync(files, { includeDirs: [folder('../../../proto'), folder('../proto')], ...options });

export const { parley, google } = loadPackageDefinition(loaded) as unknown as LlmService & ErrorDetails;
