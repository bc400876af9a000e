// Read one answer over either transport. Both call onMessage with the same objects: {type, ...}; both return
// {ended, stop}: `ended` resolves to {state, message}, where state is "done", "stopped" or "failed".

const TYPES = [
  "start", "text_delta", "reasoning_delta", "audio_delta", "tool_call_delta", "tool_call", "tool_result",
  "citations", "safety", "finish_step", "finish", "error", "raw", "done",
];

/** Read Server-Sent Events from `url`. */
export function readSSE(url, onMessage) {
  const source = new EventSource(url);
  const { promise: ended, resolve } = deferred();
  const end = (state, message = "") => {
    source.close();
    resolve({ state, message });
  };
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      // The stream's own `error` carries data; the browser's, for a connection that failed, has none.
      if (event.data === undefined) {
        return;
      }
      onMessage({ type, ...JSON.parse(event.data) });
      if (type === "done") {
        end("done");
      }
    });
  }
  source.addEventListener("error", (event) => {
    if (event.data !== undefined) {
      return;
    }
    // An EventSource would now reconnect and so ask the model again: it must be told not to.
    const refused = source.readyState === EventSource.CLOSED;
    end("failed", refused ? "The server refused the request. EventSource does not say why." : "The connection was lost.");
  });
  return { ended, stop: () => end("stopped") };
}

/** Post `body` to `url` as JSON and read the NDJSON that comes back. */
export function readNDJSON(url, body, onMessage) {
  const aborter = new AbortController();
  const ended = follow(url, body, onMessage, aborter.signal).catch((error) => {
    if (aborter.signal.aborted) {
      return { state: "stopped", message: "" };
    }
    return { state: "failed", message: error instanceof TypeError ? "The connection was lost." : error.message };
  });
  return { ended, stop: () => aborter.abort() };
}

async function follow(url, body, onMessage, signal) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) {
    throw new Error(await reasonOf(response));
  }
  let done = false;
  const take = (line) => {
    if (line.trim() !== "" && !done) {
      const message = JSON.parse(line);
      onMessage(message);
      done = message.type === "done";
    }
  };
  // A character, like a line, may be cut in two: both wait for their other half.
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let partial = "";
  for (;;) {
    const { value, done: closed } = await reader.read();
    const lines = (partial + decoder.decode(value, { stream: !closed })).split("\n");
    partial = lines.pop();
    lines.forEach(take);
    if (closed) {
      take(partial);
      return done ? { state: "done", message: "" } : { state: "failed", message: "The connection was lost." };
    }
  }
}

async function reasonOf(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Collect what a stream says. */
export class Answer {
  choices = [];
  transcript = "";
  toolCalls = [];
  finishReason = null;
  usage = null;
  error = null;
  finished = null;

  get text() {
    return this.choices[0]?.text ?? "";
  }

  /** Take one message. Returns what there is to show of it, {kind, text}, or null. */
  add(message) {
    switch (message.type) {
      case "text_delta": {
        const index = message.index ?? 0;
        const kind = message.refusal ? "refusal" : "text";
        this.choices[index] ??= { text: "", refusal: "" };
        this.choices[index][kind] += message.text;
        return index === 0 ? { kind, text: message.text } : null;
      }
      case "reasoning_delta":
        return { kind: "reasoning", text: message.text };
      case "audio_delta":
        this.transcript += message.transcript ?? "";
        return { kind: "text", text: message.transcript ?? "" };
      case "tool_call": {
        // NDJSON nests the call, SSE has it flat.
        const inner = message.tool_call ?? message;
        const call = {
          id: inner.id ?? inner.tool_id,
          name: inner.name ?? inner.tool_name,
          input: inner.input,
          arguments: inner.arguments ?? message.arguments,
        };
        this.toolCalls.push(call);
        return { kind: "tool", text: `${call.name}(${JSON.stringify(call.input)})` };
      }
      case "finish":
        this.finishReason = message.raw_reason ?? message.reason ?? "stop";
        this.usage = message.usage;
        return null;
      case "error":
        this.error = message.error;
        return null;
      case "done":
        this.finished = message.finished;
        return null;
      default:
        return null;
    }
  }
}
