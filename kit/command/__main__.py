"""Runs the `parley` command as `python -m kit.command`."""

from kit.command.main import main

if __name__ == "__main__":
    main()
