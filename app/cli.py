"""``bearing``: the interpreter made ready, then the commands."""

from __future__ import annotations

from indexer.cli.runtime import tune_interpreter


def main() -> None:
    """Run the command that the process was called with."""
    tune_interpreter()  # first, since collecting garbage takes a quarter of the time of imports
    from app.commands import run

    run()


if __name__ == "__main__":
    main()
