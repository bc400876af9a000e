import { useChat } from "@ai-sdk/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const BUSY = ["submitted", "streaming"];

function Part({ part }) {
  if (part.type === "text") return <p>{part.text}</p>;
  if (part.type === "reasoning") return <p className="reasoning">{part.text}</p>;
  if (part.type === "dynamic-tool" || part.type.startsWith("tool-")) return <Tool part={part} />;
  return null;
}

function Tool({ part }) {
  const name = part.toolName ?? part.type.slice("tool-".length);
  const result = part.errorText ?? (part.output === undefined ? undefined : JSON.stringify(part.output));
  return (
    <pre className="tool">
      {name}({part.input === undefined ? "…" : JSON.stringify(part.input)}){result && ` → ${result}`}
    </pre>
  );
}

function Chat() {
  const [draft, setDraft] = useState("");
  const { messages, sendMessage, status, stop, error } = useChat();
  const busy = BUSY.includes(status);

  function submit(event) {
    event.preventDefault();
    if (busy || !draft.trim()) return;
    sendMessage({ text: draft });
    setDraft("");
  }

  return (
    <main>
      <h1>useChat, served by gai_stream</h1>
      <div role="log" aria-label="Conversation">
        {messages.map((message) => (
          <section key={message.id} className={message.role} aria-label={message.role}>
            {message.parts.map((part, number) => (
              <Part key={number} part={part} />
            ))}
          </section>
        ))}
      </div>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={submit}>
        <input
          aria-label="Message"
          placeholder="Ask something"
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          autoFocus
        />
        <button disabled={busy}>Send</button>
        <button type="button" onClick={() => stop()} disabled={!busy}>
          Stop
        </button>
      </form>
      <output>{status}</output>
    </main>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
