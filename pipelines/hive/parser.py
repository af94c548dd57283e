"""Reads the part of HiveQL that moves tables; all else is refused by line and word.

DROP TABLE [IF EXISTS] t;
CREATE EXTERNAL TABLE [IF NOT EXISTS] t (column type, …)
STORED BY '…DynamoDBStorageHandler' TBLPROPERTIES ('name' = 'value', …);
INSERT OVERWRITE | INTO TABLE t SELECT columns FROM t [WHERE …];
FROM t INSERT OVERWRITE | INTO TABLE t SELECT columns [WHERE …] INSERT … ;
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from pipelines.hive.syntax import CreateTable, DropTable, Insert, Select, Statement
from pipelines.hive.tokens import Token, read_tokens
from transforms.dynamodb.errors import UserError

__all__ = ["parse_script"]

_HANDLER = "DynamoDBStorageHandler"
_WAY_OUT = "beam-dynamodb query runs SELECTs with joins and aggregates"

T = TypeVar("T")


def parse_script(script: str) -> list[Statement]:
    """Returns the statements of a script.

    Raises:
        UserError: what is not of the part above, with its line and word.
    """
    return _Parser(script).statements()


class _Parser:
    def __init__(self, script: str) -> None:
        self._script = script
        self._tokens = read_tokens(script)
        self._place = 0

    def statements(self) -> list[Statement]:
        found: list[Statement] = []
        while not self._is_over():
            if self._symbol(";"):
                continue
            found.append(self._statement())
            if not (self._is_over() or self._now.is_symbol(";")):
                self._refuse("a statement ends in ;")
        return found

    def _is_over(self) -> bool:
        return self._now.kind == "end"

    # --- words ---

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._now
        self._place += token.kind != "end"
        return token

    def _word(self, *words: str) -> bool:
        """Takes the next words if they are these."""
        ahead = self._tokens[self._place : self._place + len(words)]
        if len(ahead) < len(words) or not all(
            token.is_word(word) for token, word in zip(ahead, words, strict=True)
        ):
            return False
        self._place += len(words)
        return True

    def _symbol(self, symbol: str) -> bool:
        if not self._now.is_symbol(symbol):
            return False
        self._place += 1
        return True

    def _need(self, symbol: str, why: str) -> None:
        if not self._symbol(symbol):
            self._refuse(f"expected {symbol} {why}")

    def _refuse(self, why: str) -> NoReturn:
        token = self._now
        word = repr(token.text) if token.kind != "end" else "the end of the script"
        raise UserError(f"line {token.line}: {word} is not understood here: {why}")

    def _list(self, one: Callable[[], T]) -> list[T]:
        """Reads one or more between commas."""
        found = [one()]
        while self._symbol(","):
            found.append(one())
        return found

    def _name(self, what: str) -> str:
        """Takes a name; Hive's are in lower case."""
        return self._written_name(what).lower()

    def _written_name(self, what: str) -> str:
        if self._now.kind not in ("word", "name"):
            self._refuse(f"expected the name of {what}")
        name = self._take().text
        if self._now.is_symbol("."):
            self._refuse(f"{what} has one name, without a database")
        return name

    def _text(self, what: str) -> str:
        if self._now.kind != "text":
            self._refuse(f"expected {what} in quotes")
        return self._take().text

    # --- statements ---

    def _statement(self) -> Statement:
        line = self._now.line
        if self._word("DROP", "TABLE"):
            if_exists = self._word("IF", "EXISTS")
            return DropTable(self._name("a table"), if_exists, line)
        if self._word("CREATE", "EXTERNAL", "TABLE"):
            return self._create(line)
        if self._now.is_word("CREATE"):
            self._place += 1
            self._refuse("only CREATE EXTERNAL TABLE makes a name for a table")
        if self._word("FROM"):
            return self._from(line)
        if self._now.is_word("INSERT"):
            target = self._target()
            columns, select_line = self._select_list()
            if not self._word("FROM"):
                self._refuse("expected FROM and the table to read")
            source = self._source()
            select = Select(columns, self._where(), select_line)
            return Insert(source, ((target, select),), line)
        return self._refuse(
            f"known are DROP TABLE, CREATE EXTERNAL TABLE, INSERT and FROM; {_WAY_OUT}"
        )

    def _create(self, line: int) -> CreateTable:
        keeps = self._word("IF", "NOT", "EXISTS")
        name = self._name("a table")
        self._need("(", "and the columns")
        columns = self._list(self._column)
        self._need(")", "after the columns")
        if self._word("COMMENT"):
            self._text("a comment")
        if not self._word("STORED", "BY"):
            self._refuse(f"expected STORED BY '…{_HANDLER}'")
        if not self._now.text.endswith(_HANDLER):
            self._refuse(f"tables are STORED BY '…{_HANDLER}'")
        self._text("the storage handler")
        properties: list[tuple[str, str]] = []
        if self._word("TBLPROPERTIES"):
            self._need("(", "and the properties")
            properties = self._list(self._property)
            self._need(")", "after the properties")
        return CreateTable(name, dict(columns), dict(properties), keeps, line)

    def _column(self) -> tuple[str, str]:
        name, start = self._written_name("a column"), self._now.start
        depth = 0
        while depth or not self._now.is_symbol(",", ")"):
            token = self._now
            if token.kind == "end" or token.is_word("COMMENT"):
                break
            depth += token.is_symbol("<", "(") - token.is_symbol(">", ")")
            self._place += 1
        kind = self._script[start : self._tokens[self._place - 1].stop]
        if self._word("COMMENT"):
            self._text("a comment")
        if not kind or start > self._tokens[self._place - 1].stop:
            self._refuse(f"expected the type of column {name}")
        return name, kind

    def _property(self) -> tuple[str, str]:
        name = self._text("a property's name")
        self._need("=", f"after {name}")
        return name, self._text(f"the value of {name}")

    def _from(self, line: int) -> Insert:
        source = self._source()
        targets = []
        while self._now.is_word("INSERT"):
            target = self._target()
            columns, select_line = self._select_list()
            targets.append((target, Select(columns, self._where(), select_line)))
        if not targets:
            self._refuse(f"expected INSERT after FROM {source}; {_WAY_OUT}")
        return Insert(source, tuple(targets), line)

    def _target(self) -> str:
        self._word("INSERT")
        if not (self._word("OVERWRITE") or self._word("INTO")):
            self._refuse("expected OVERWRITE or INTO")
        if self._now.is_word("DIRECTORY", "LOCAL"):
            self._refuse("a table is written; beam-dynamodb backup writes files")
        self._word("TABLE")
        return self._name("a table")

    def _select_list(self) -> tuple[tuple[str, ...] | None, int]:
        line = self._now.line
        if not self._word("SELECT"):
            self._refuse("expected SELECT")
        if self._symbol("*"):
            return None, line
        return tuple(self._list(self._selected)), line

    def _selected(self) -> str:
        if self._now.is_word("DISTINCT", "ALL", "CASE", "CAST"):
            self._refuse(f"columns are selected as they are; {_WAY_OUT}")
        name = self._column_name()
        if self._word("AS"):
            self._name("a column")  # Hive, too, goes by the place and not by the name
        if not (self._now.is_symbol(",", ";") or self._now.kind in ("word", "end")):
            self._refuse(f"columns are selected as they are; {_WAY_OUT}")
        return name

    def _column_name(self) -> str:
        if self._now.kind not in ("word", "name"):
            self._refuse("expected * or a column")
        name = self._take().text
        if self._symbol("."):
            name = self._take().text
        return name.lower()

    def _source(self) -> str:
        if self._now.is_symbol("("):
            self._refuse(f"a table is read, not a query; {_WAY_OUT}")
        source = self._name("a table")
        if self._word("AS") or self._now.kind == "name" or self._is_alias():
            self._name("an alias")
        return source

    def _is_alias(self) -> bool:
        token = self._now
        return token.kind == "word" and not token.is_word(*_AFTER_TABLE)

    def _where(self) -> str | None:
        if not self._word("WHERE"):
            if self._now.is_word(*_CLAUSES) or self._now.is_symbol(","):
                self._refuse(f"only WHERE may follow; {_WAY_OUT}")
            return None
        start = self._now.start
        while not (
            self._now.kind == "end"
            or self._now.is_symbol(";")
            or self._now.is_word("INSERT", *_CLAUSES)
        ):
            self._place += 1
        if self._now.is_word(*_CLAUSES):
            self._refuse(f"nothing may follow WHERE; {_WAY_OUT}")
        return self._script[start : self._tokens[self._place - 1].stop]


_CLAUSES = (
    "GROUP",
    "HAVING",
    "ORDER",
    "SORT",
    "CLUSTER",
    "DISTRIBUTE",
    "LIMIT",
    "UNION",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "LATERAL",
    "TABLESAMPLE",
    "WINDOW",
)
_AFTER_TABLE = ("INSERT", "WHERE", "SELECT", *_CLAUSES)
