"""Read an answer in NDJSON from standard input, and print its text as it comes.

    curl -sN http://127.0.0.1:8000/chat -H 'content-type: application/json' -d '{"query": "hello"}' |
        python examples/read_ndjson.py

Ends with status 0 when the answer is whole, and 1 when it failed or was cut.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import anyio

from gai_stream import DecodeError, Done, Failure, Finish, Reader, TextDelta, TruncatedStream, pipe
from gai_stream.dialects.gai import GaiDecoder


def chunks() -> Iterator[bytes]:
    """Yield what is there, as soon as something is."""
    while chunk := os.read(sys.stdin.fileno(), 65536):
        yield chunk


async def main() -> int:
    """Print the answer and return the exit status."""
    whole = False
    try:
        async for event in pipe(Reader(chunks()), GaiDecoder()):
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case Finish(reason=reason, usage=usage):
                    print(f"\n[{reason}, {usage.output_tokens if usage else 'an unknown number of'} tokens]")
                case Failure(code=code, message=message):
                    print(f"\n[{code}: {message}]", file=sys.stderr)
                case Done(finished=finished):
                    whole = finished
    except (DecodeError, TruncatedStream) as error:
        print(f"\n[{error}]", file=sys.stderr)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
