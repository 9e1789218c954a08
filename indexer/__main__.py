"""``python -m indexer``: the commands, without the service."""

from indexer.cli.app import main

if __name__ == "__main__":
    main()
