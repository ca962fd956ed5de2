"""``python -m bids_stroke``: the same as the ``bids_stroke`` command."""

from bids_stroke.cli.app import main

if __name__ == "__main__":  # spawned workers import this module again and must not start the app
    main()
