// Why did a call fail, and when is it worth another try? The service says both, in types and not in prose.
import { status, type ServiceError } from '@grpc/grpc-js';
import { isAnyExtension } from '@grpc/proto-loader';

import { google } from './contract.js';
import type { Duration__Output } from './gen/google/protobuf/Duration.js';
import type { ErrorInfo__Output } from './gen/google/rpc/ErrorInfo.js';
import type { RequestInfo__Output } from './gen/google/rpc/RequestInfo.js';
import type { RetryInfo__Output } from './gen/google/rpc/RetryInfo.js';
import type { ErrorReason__Output } from './gen/parley/error/v1/ErrorReason.js';

type Word<Name> = Name extends `ERROR_REASON_${infer Rest}` ? Rest : never;

/** Every reason of the contract. Reasons are only ever added: a service that is newer than src/gen may say another. */
export type Reason = Exclude<Word<ErrorReason__Output>, 'UNSPECIFIED'>;

export interface Failure {
  /** The gRPC code, for example UNAVAILABLE. */
  code: string;
  /** Absent when gRPC itself failed, before a service could say why. */
  reason?: Reason;
  /** A sentence for a person. */
  message: string;
  /** Absent when waiting does not help, or nobody knows how long. */
  retryAfterSeconds?: number;
  /** The name of this call in the logs of the mesh. */
  correlationId?: string;
}

export function failureOf(error: ServiceError): Failure {
  const details = detailsOf(error);
  const find = <Detail>(name: string) =>
    details.find((each) => isAnyExtension(each) && each['@type'].endsWith(`/google.rpc.${name}`)) as Detail | undefined;

  const info = find<ErrorInfo__Output>('ErrorInfo');
  const delay = find<RetryInfo__Output>('RetryInfo')?.retryDelay;
  const request = find<RequestInfo__Output>('RequestInfo');
  return {
    code: status[error.code] ?? String(error.code),
    message: error.details,
    ...(info?.domain === 'parley' && { reason: info.reason as Reason }),
    ...(delay && { retryAfterSeconds: inSeconds(delay) }),
    ...(request && { correlationId: request.requestId }),
  };
}

export const inSeconds = (span: Duration__Output) => span.seconds + span.nanos / 1e9;

function detailsOf(error: ServiceError): object[] {
  const [packed] = error.metadata.get('grpc-status-details-bin');
  return Buffer.isBuffer(packed) ? google.rpc.Status.deserialize(packed).details : [];
}
