"""The command line, one module a command. A checkout keeps them in /commands; a wheel carries them here."""

from pathlib import Path

_checkout = Path(__file__).parents[3] / "commands"
if (_checkout / "_options.py").is_file():
    __path__.append(str(_checkout))
