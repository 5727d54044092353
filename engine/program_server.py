"""A Python program, run in this process for the engine, and ended as Python's language host ends it.

The SDK has such a server for inline programs of its Automation API. With it, the engine prints each error a
second time, and an exit status counts as a crash.
"""

import asyncio
import contextvars
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2

from maestro_stack.errors import TOLD


class ProgramServer(LanguageServer):
    """Source of how a program ends: pulumi sdk/python/cmd, pulumi-language-python-exec and its main.go."""

    # The name is the protocol's; its request has no types that a checker could see.
    def Run(self, request: Any, context: Any) -> language_pb2.RunResponse:  # noqa: N802
        """Run the program once. By then all errors are logged, so the engine is told to add nothing."""
        del context
        # Nobody awaits what a failed program leaves behind.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        return language_pb2.RunResponse(bail=not contextvars.copy_context().run(self._run, request))

    def _run(self, request: Any) -> bool:
        """Whether the program finished."""
        reset_options(
            project=request.project,
            monitor_address=request.monitor_address,
            engine_address=request.args[0] if request.args else "",
            stack=request.stack,
            parallel=request.parallel,
            preview=request.dryRun,
            organization=request.organization or "organization",
        )
        set_all_config(dict(request.config), list(request.configSecretKeys))
        engine_has_ended = False

        def stop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            """End after a failed call that nobody awaits: the program would wait forever."""
            nonlocal engine_has_ended
            if isinstance(context.get("exception"), grpc.RpcError):
                engine_has_ended = True
                loop.stop()

        with asyncio.Runner() as runner:
            # A thread for each registration that waits for the engine.
            threads = ThreadPoolExecutor(max_workers=4 * max(request.parallel, 1))
            runner.get_loop().set_default_executor(threads)
            runner.get_loop().set_exception_handler(stop)
            try:
                runner.run(run_in_stack(self.program))
            except pulumi.RunError as error:
                pulumi.log.error(str(error))
            except SystemExit as ended:
                if ended.code and ended.code != TOLD:
                    pulumi.log.error(f"program exited with non-zero exit code: {ended.code}")
                return not ended.code
            except BaseException as error:  # noqa: BLE001 as the language host does
                is_gone = isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.UNAVAILABLE
                if not (engine_has_ended or is_gone):
                    pulumi.log.error(f"Program failed with an unhandled exception:\n{traceback.format_exc()}")
            else:
                return True
        return False
