"""Python's language host, for a machine whose Pulumi CLI came without it.

The engine starts `pulumi-language-python` once per operation, reads a port from its output, and asks it to
run the program. An ordinary installation's runs it in another process; this one runs it in its own.
"""

import os
import runpy
import signal
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from engine.program_server import ProgramServer


class _Host(ProgramServer):
    """Runs `__main__.py` of the folder that the engine names."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    # The name is the protocol's; its request has no types that a checker could see.
    def Run(self, request: Any, context: Any) -> language_pb2.RunResponse:  # noqa: N802
        """Run the program once."""
        os.chdir(request.pwd)
        sys.path[0] = request.pwd
        request.args[:] = [sys.argv[-1]]  # the engine's address, where inline programs have it
        program = Path(request.info.program_directory) / "__main__.py"
        self.program = lambda: _run(program)
        return super().Run(request, context)


def _run(program: Path) -> None:
    runpy.run_path(str(program), run_name="__main__")


def main() -> None:
    """Serve until the engine ends us, which it tries with SIGINT first."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_Host(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)  # noqa: T201 the engine reads it
    engine = os.getppid()
    while os.getppid() == engine:  # a killed engine doesn't end us
        server.wait_for_termination(timeout=1)


if __name__ == "__main__":
    main()
