"""Failures outside the program: servers that are away, frozen or refuse, files and ports that cannot be used."""

import re
from functools import lru_cache

import psycopg
import psycopg_pool
from aiokafka.errors import KafkaError

_KINDS = (OSError, KafkaError, psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout)
_CLASS_OF_REPR = re.compile(r"(\w+)\(")


def is_outage(error: BaseException) -> bool:
    """Return whether an exception, or its cause, is a failure outside the program; of a group, whether all are."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_outage(each) for each in error.exceptions)
    return isinstance(error, _KINDS) or (error.__cause__ is not None and is_outage(error.__cause__))


def is_repr_of_outage(text: str) -> bool:
    """Return whether a text starts like the ``repr`` of such an exception, as in `error=repr(error)`."""
    found = _CLASS_OF_REPR.match(text)
    return found is not None and _is_class_name(found[1])


@lru_cache(maxsize=256)
def _is_class_name(name: str) -> bool:
    classes = list[type](_KINDS)
    while classes:
        each = classes.pop()
        if each.__name__ == name:
            return True
        classes += each.__subclasses__()
    return False


def sentence(error: BaseException) -> str:
    """Return what went wrong, in one line; further lines of a message are left out."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(sentence(each) for each in error.exceptions))
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"{_server(error)}{_first_line(error)}"


def _server(error: BaseException) -> str:
    package = type(error).__module__.partition(".")[0]
    return {"aiokafka": "Kafka: ", "psycopg": "PostgreSQL: ", "psycopg_pool": "PostgreSQL: "}.get(package, "")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
