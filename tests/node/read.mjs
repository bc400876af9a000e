// What the real clients make of a stream. Each line of stdin, {"client", "url"}, is answered by one line of JSON.

import { createInterface } from "node:readline";
import { HttpAgent } from "@ag-ui/client";
import * as ai5 from "ai5";
import * as ai5_0 from "ai5_0";
import * as ai6 from "ai6";
import * as ai6_0 from "ai6_0";
import * as ai7 from "ai7";

const words = (error) => (error instanceof Error ? error.message : String(error));

// As useChat does it: the transport checks every chunk, the reader builds the message.
async function readMessage(ai, url) {
  const seen = { types: [], finish: null, message: null, errors: [] };
  const onError = (error) => seen.errors.push(words(error));
  const transport = new ai.DefaultChatTransport({ api: url });
  const request = { chatId: "chat", messages: [], trigger: "submit-message", messageId: undefined };
  const watched = new TransformStream({
    transform(chunk, controller) {
      seen.types.push(chunk.type);
      if (chunk.type === "finish") seen.finish = chunk;
      controller.enqueue(chunk);
    },
  });
  const chunks = await transport.sendMessages(request);
  for await (const message of ai.readUIMessageStream({ stream: chunks.pipeThrough(watched), onError })) {
    seen.message = message;
  }
  return seen;
}

async function readRun(url) {
  const seen = { types: [], events: [], messages: [], errors: [] };
  const agent = new HttpAgent({ url, threadId: "thread" });
  const subscriber = {
    onEvent: ({ event }) => {
      seen.types.push(event.type);
      seen.events.push(event);
    },
    onRunErrorEvent: ({ event }) => void seen.errors.push(event.message),
  };
  const { result, newMessages } = await agent.runAgent({ runId: "run" }, subscriber);
  return { ...seen, result, messages: newMessages };
}

const clients = {
  ai5: (url) => readMessage(ai5, url),
  ai5_0: (url) => readMessage(ai5_0, url),
  ai6: (url) => readMessage(ai6, url),
  ai6_0: (url) => readMessage(ai6_0, url),
  ai7: (url) => readMessage(ai7, url),
  ag_ui: readRun,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { client, url } = JSON.parse(line);
  const warnings = [];
  console.warn = console.error = console.log = (...told) => warnings.push(told.map(words).join(" "));
  let seen;
  try {
    seen = await clients[client](url);
  } catch (error) {
    seen = { thrown: words(error) };
  }
  process.stdout.write(`${JSON.stringify({ ...seen, warnings })}\n`);
}
