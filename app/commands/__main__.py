"""Run a command: ``python -m app.commands``."""

# Every worker process imports this module again and must not run the command line.
if __name__ == "__main__":
    from app.commands.cli import main

    main()
