"""The command line: ``ringfork``.

Spells arguments and turns outcomes into exit codes: 0 fine, 1 failed, 2 wrong use. What a command does stands in its
own module, imported only when it runs, so that ``check-config`` and ``lint`` start without the media engine.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway import endpoint_command
from gateway.config import Configuration, ConfigurationError, load

app = typer.Typer(
    help="Ringfork: a self-hosted voice gateway that runs TwiML voice applications.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(endpoint_command.app, name="endpoint")

out = Console()
err = Console(stderr=True)


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option(help="Configuration file. Without it: development mode.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the daemon."""
    from gateway import development
    from gateway.serve import run

    is_development = config is None
    if config is None:
        config = Path(development.FILE_NAME)
        if not config.exists():
            development.make_configuration(Path.cwd())
            err.print(f"Made [bold]{config}[/] with fresh secrets and two clients, alice and bob.")
    if log_level not in ("debug", "info", "warning", "error"):
        raise typer.BadParameter("expected debug, info, warning or error", param_hint="--log-level")
    configuration = _configuration(config)
    raise typer.Exit(asyncio.run(run(configuration, log_level=log_level, is_development=is_development)))


@app.command("compile")
def compile_() -> None:
    """Compile the media engine now, so that the first start does not have to: for images and packages."""
    from gateway.serve import compile_engine

    compile_engine()


@app.command()
def demo(
    json_output: Annotated[bool, typer.Option("--json", help="One JSON document instead of the timeline.")] = False,
    output: Annotated[Path, typer.Option(help="Where the recording and the picture go.")] = Path("ringfork-demo"),
) -> None:
    """A whole recorded call on loopback, shown live and then checked by ear."""
    from gateway.demo import run_demo

    raise typer.Exit(run_demo(output, as_json=json_output))


@app.command()
def token(
    identity: Annotated[str, typer.Argument(help="Who the browser is: alice is called by <Client>alice</Client>.")],
    config: Annotated[Path, typer.Option(help="Configuration file; its first API key signs.")] = Path("ringfork.toml"),
    ttl: Annotated[int, typer.Option(help="Seconds it is good for, at most a day.")] = 3600,
    application: Annotated[
        str, typer.Option(help="Application that answers its calls. Default: the first configured, or the built-in.")
    ] = "",
    incoming: Annotated[bool, typer.Option(help="Whether it may register and be called.")] = True,
    json_output: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Make an access token for the Voice SDK."""
    from gateway.tokens import TokenIssuer, configured
    from signaling.errors import GatewayError

    try:
        made = TokenIssuer(configured(_configuration(config), clock=time.time), clock=time.time).issue(
            identity, lifetime_s=ttl, may_receive=incoming, application_sid=application or None
        )
    except GatewayError as error:
        err.print(str(error), markup=False, highlight=False)
        raise typer.Exit(1) from None
    if json_output:
        out.print_json(json.dumps({"identity": identity, "token": made, "ttl": ttl}))
    else:
        out.print(made, markup=False, highlight=False, soft_wrap=True)


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="Configuration file.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print problems as JSON.")] = False,
) -> None:
    """Check a configuration file; all its errors at once."""
    try:
        load(file, os.environ)
        problems: list[str] = []
    except ConfigurationError as error:
        problems = error.problems
    if json_output:
        out.print_json(json.dumps({"file": str(file), "problems": problems}))
    elif problems:
        for problem in problems:
            err.print(problem, markup=False, highlight=False)
    else:
        out.print(f"{file} is fine.", markup=False)
    raise typer.Exit(1 if problems else 0)


@app.command()
def lint(
    paths: Annotated[list[Path], typer.Argument(help="TwiML documents, or folders of *.xml and *.twiml files.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Check TwiML documents: line, column, Twilio's code and a hint for every finding; and what has no effect here.

    Exit 1 if a document would not run as written, 2 if a path does not exist.
    """
    from gateway.lint import lint_files

    linted = lint_files(paths)
    if json_output:
        out.print_json(json.dumps([document.as_json() for document in linted]))
    else:
        for document in linted:
            for line in document.lines():
                out.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(document.is_missing for document in linted):
        raise typer.Exit(2)
    raise typer.Exit(0 if all(document.runs for document in linted) else 1)


def _configuration(path: Path) -> Configuration:
    try:
        return load(path, os.environ)
    except ConfigurationError as error:
        for problem in error.problems:
            err.print(problem, markup=False, highlight=False)
        raise typer.Exit(1) from None


def main() -> None:
    sys.exit(app())


if __name__ == "__main__":
    main()
