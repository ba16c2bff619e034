// How does a program ask a model? One question, the answer as it comes, and the truth when there is none.
// The answer goes to standard output, what is said about it to standard error.
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

import { parley } from './contract.js';
import { failureOf, inSeconds, type Failure, type Reason } from './failure.js';
import type { Completion__Output } from './gen/parley/llm/v1/Completion.js';
import type { GenerateStreamResponse__Output } from './gen/parley/llm/v1/GenerateStreamResponse.js';

const address = process.env.LLM_ADDRESS ?? 'localhost:50053';
const key = process.env.PARLEY_KEY;
const tenantId = process.env.PARLEY_TENANT ?? 'default';
const deadlineSeconds = Number(process.env.DEADLINE_SECONDS ?? 60);
const question = process.argv.slice(2).join(' ') || 'Why is the sky blue?';

// What a person can do about it. A reason that is not in the contract does not compile.
const ADVICE: Partial<Record<Reason, string>> = {
  CREDENTIAL_MISSING: 'Set PARLEY_KEY to a key; `parley keys create laptop --scope llm.use` makes one.',
  SCOPE_MISSING: 'Make a key with the scope llm.use.',
  MODEL_PAUSED: 'Another model may answer meanwhile; a prompt can name one.',
  MODEL_TIMEOUT: 'Allow it more time with DEADLINE_SECONDS, or ask a smaller model.',
};

let inText = false;
const llm = new parley.llm.v1.LlmService(address, credentials.createInsecure());
process.exitCode = deadlineSeconds > 0 ? await ask() : 2;
if (process.exitCode === 2) report('DEADLINE_SECONDS is no number of seconds above 0.');
llm.close();

async function ask(): Promise<number> {
  const metadata = new Metadata();
  if (key) metadata.set('authorization', `Bearer ${key}`);

  const request = { tenantId, prompt: { messages: [{ role: 'ROLE_CONTACT', text: question } as const] } };
  const call = llm.generateStream(request, metadata, { deadline: Date.now() + deadlineSeconds * 1000 });

  // Cancelling ends the work at the model server too.
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
    call.cancel();
  });

  try {
    for await (const piece of call as AsyncIterable<GenerateStreamResponse__Output>) {
      if (piece.delta) print(piece.delta);
      if (piece.completed) report(whoAnswered(piece.completed));
    }
    return 0;
  } catch (error) {
    if (interrupted) report('Cancelled.');
    else report(...whatWentWrong(failureOf(error as ServiceError)));
    return interrupted ? 130 : 1;
  }
}

function whoAnswered(completion: Completion__Output): string {
  const { model, backend, inputTokens, outputTokens, timeToFirstText } = completion;
  const first = timeToFirstText ? `, first text after ${inSeconds(timeToFirstText).toFixed(2)} s` : '';
  return `${model} at ${backend}: ${inputTokens} tokens read, ${outputTokens} written${first}`;
}

function* whatWentWrong({ code, reason, message, retryAfterSeconds, correlationId }: Failure): Iterable<string> {
  yield `${code} ${reason ?? '(gRPC itself)'}: ${message}`;
  if (retryAfterSeconds !== undefined) {
    const at = new Date(Date.now() + retryAfterSeconds * 1000);
    yield `Come again in ${retryAfterSeconds.toFixed(1)} s, at ${at.toLocaleTimeString()}.`;
  }
  if (reason && ADVICE[reason]) yield ADVICE[reason];
  if (correlationId) yield `In the logs of the mesh this call is ${correlationId}.`;
}

function print(text: string): void {
  process.stdout.write(text);
  inText = true;
}

function report(...lines: string[]): void {
  if (inText) process.stdout.write('\n');
  inText = false;
  console.error(lines.join('\n'));
}
