"""Run a command: ``python -m app.commands``."""

# Behind the guard because every worker imports this module again, and needs no command line.
if __name__ == "__main__":
    from app.commands.cli import main

    main()
