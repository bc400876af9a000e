"""Server-Sent Events over a bare socket: `Writer` needs neither ASGI nor a framework.

    python examples/raw_server.py [PORT]     # any free port, unless given; the address is printed
    curl -N http://127.0.0.1:PORT/

It answers every request with the same count, whatever was asked; a real server would read the request.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

from gai_stream import ServerSentEvent, SSEEncoder, Writer


async def answer(client: SocketStream) -> None:
    """Answer one connection with three events, and hang up."""
    async with client:
        await client.receive()
        writer = Writer(client.send, SSEEncoder(retry=3000), heartbeat=15.0, send_timeout=10.0)
        headers = {**writer.headers, "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        try:
            await client.send(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
            async with writer:
                for number in range(1, 4):
                    await writer.write(ServerSentEvent(str(number), event="number", id=str(number)))
                await writer.write(ServerSentEvent("", event="done"))
        except (anyio.BrokenResourceError, TimeoutError):
            # The client left, or stopped reading.
            return


async def main(port: int = 0) -> None:
    """Listen on `port` until interrupted."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener:
        print(f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/", flush=True)
        await listener.serve(answer)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
