"""The terminal: ``xlkmv new FILE``, ``xlkmv import TAPE BOOK``, ``xlkmv refresh BOOK``, ``xlkmv pd ...``."""

from xlkmv.cli.commands import main, parser

__all__ = ["main", "parser"]
