"""``python -m indexer``: the commands, without the service."""

from indexer.cli.runtime import tune_interpreter

if __name__ == "__main__":
    tune_interpreter()  # first, since collecting garbage takes a quarter of the time of imports
    from indexer.cli.app import main

    main()
